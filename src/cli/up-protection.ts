/** What `rstow up` does and prints about the protection of each database. */
import type { RstowClient } from '../client/rstow-client.ts';
import type { Workflows, WorkflowType } from '../contract/workflow-types.ts';
import type { ProtectionGap } from '../core/protection/verdict.ts';
import type { UpReady } from '../up/up.ts';
import { backupLines } from './commands/backup.ts';
import { gapFacts, scheduleText, verifiedText } from './commands/info.ts';
import { verifyLines } from './commands/verify.ts';
import { countedText, countText, timeText } from './figures.ts';
import { requester } from './options.ts';
import { factLines } from './output.ts';
import { repositoryPlace } from '../core/repository/repository-place.ts';

export type FirstBackup = { rstow: RstowClient; database: string; signal: AbortSignal; print: (lines: readonly string[]) => void };

/** Makes and verifies the first backup of a database that has none. Fails: with a run's failure. */
export async function firstBackup(backup: FirstBackup): Promise<void> {
  const { print, database } = backup;
  const before = await protection(backup);
  if (before.latest !== null && (before.backups > 1 || before.latest.verified !== undefined)) return;
  if (before.latest === null) {
    print([`${database} has no backup yet: the first one is made`]);
    print(backupLines(await run(backup, 'hotBackup')));
  }
  print(verifyLines(await run(backup, 'verifyBackup')));
}

/** How well the database is protected now. Fails: with the run's failure. */
export async function protection(backup: FirstBackup): Promise<Workflows['describeDatabase']['result']> {
  return run(backup, 'describeDatabase');
}

/** What a restart of the server would lose now. Fails: with the run's failure. */
export async function checked(backup: FirstBackup): Promise<Workflows['checkDatabase']['result']> {
  return run(backup, 'checkDatabase');
}

/** Under an id of its own: a run that an `up` began before it was killed is waited for and not begun again. */
async function run<T extends WorkflowType>({ rstow, database, signal }: FirstBackup, type: T): Promise<Workflows[T]['result']> {
  const started = await rstow.start(type, { database, requestedBy: requester(), reason: 'rstow up' }, { idEnd: 'up' });
  return started.result(signal);
}

export function temporalLines({ agent, config, configFile, temporal }: UpReady): string[] {
  const { address, namespace, uiUrl, isAdopted, loss } = temporal;
  return factLines([
    ['agent', `${agent.name}, by ${configFile}`],
    ['Temporal', `${address}, namespace ${namespace}${isAdopted ? ', left running before and taken over' : ''}`],
    ['lost', loss],
    ['signs with', config.agent.operatorKeyFile ?? 'no key'],
    ['UI', `${uiUrl}/namespaces/${namespace}/workflows`],
  ]);
}

/** For the config files of other hosts: without indentation, so that 80 columns have it in one line. */
export function signerLines({ signer }: UpReady): string[] {
  return ['what this host stores is signed with the key', signer];
}

/** What was found of a server that runs already, and what a person has to do about it. */
export function foundLines({ found, configFile }: UpReady): string[] {
  if (found === undefined) return [];
  const facts = factLines([
    ['server', found.found],
    ['kept in', found.service === undefined ? undefined : configFile],
  ]);
  return [...facts, ...found.todo.map((line) => `  ${line}`), ''];
}

export type FoundProtection = { described: Workflows['describeDatabase']['result']; check: Workflows['checkDatabase']['result'] };

/** What is safe now, and what would be lost. */
export function protectionLines(ready: UpReady, { described, check }: FoundProtection): string[] {
  const { database, latest, backups, repository } = described;
  const { config } = ready;
  const settings = config.databases[database];
  const place = config.repositories[repository];
  const gaps = [...restartGaps(check), ...foreignGaps(ready, described), ...described.protection.gaps];
  return factLines([
    [
      gaps.length === 0 ? 'protected' : 'NOT PROTECTED',
      `${database}: the server at ${settings?.server.address ?? ''} on ${settings?.dataDir ?? ''}`,
    ],
    ...gapFacts(gaps),
    ['repository', `${repository}: ${place === undefined ? '' : repositoryPlace(place)}, ${countedText(backups, 'backup')}`],
    [
      'last backup',
      latest === null ? 'none' : `${latest.label}, ${countText(latest.instances)} instances, verified: ${verifiedText(latest)}`,
    ],
    ['copies', check.findings.find(({ code }) => COPY_CODES.includes(code))?.sentence],
    ['schedule', scheduleText(described)],
    ['restart', check.findings.find(({ code }) => code === 'restart-safe')?.sentence],
    ['at risk', riskText(settings?.archive.enabled === true, check)],
    ['restore', restoreText(ready, database)],
  ]);
}

/** Which of them there is says how many repositories have the newest backup; none of a database with one repository. */
const COPY_CODES = ['copies', 'copies-lacking', 'quorum-not-reached'];

/** What the loss of the host would cost: the archive counts as far as the check has seen that it keeps up. */
function riskText(isArchived: boolean, { findings }: FoundProtection['check']): string {
  if (!isArchived) return 'with the host: all that is written between two backups; the archive is switched off';
  if (findings.some(({ code }) => code === 'archive')) return 'about the last second, with the host';
  const late = findings.find(({ code }) => code === 'archive-late');
  const why = late === undefined ? 'it is not known whether the archive works' : late.sentence;
  return `with the host: what is written between two backups; ${why}`;
}

const RESTART_RISKS = ['restart-loses', 'source-damaged', 'torn-tail', 'restart-missed'];

/** What the next start of the server would lose comes first: nobody has to wait for it to know. */
function restartGaps({ findings }: FoundProtection['check']): ProtectionGap[] {
  return findings
    .filter(({ code, severity }) => severity === 'critical' && RESTART_RISKS.includes(code))
    .map(({ code, sentence, hint = '' }) => ({ code, sentence, remedy: hint }));
}

/** Another host backs it up: this one has nothing to protect. */
function foreignGaps({ agent }: UpReady, { owner, database }: Workflows['describeDatabase']['result']): ProtectionGap[] {
  if (owner === null || owner.installationId === agent.installationId) return [];
  const sentence = `agent ${owner.agent} owns it (installation ${owner.installationId}), not this one`;
  return [{ code: 'owner-outdated', sentence, remedy: `rstow adopt ${database}, if the server that counts is the one here` }];
}

function restoreText({ config, configFile }: UpReady, database: string): string {
  const keyless = config.databases[database]?.repositories.every((name) => isKeyless(config.repositories[name]));
  if (keyless === true) return 'on a host that has the key: the config names no identityFiles for what is encrypted here';
  if (config.databases[database]?.service.kind !== 'none') return 'in place or elsewhere';
  return `to another directory; in place once databases.${database}.service in ${configFile} says how to stop the server`;
}

/** Without age's identities a host only stores; what GnuPG has secret keys for its own folder says. */
function isKeyless(repository: UpReady['config']['repositories'][string] | undefined): boolean {
  const encryption = repository?.encryption;
  return encryption?.kind === 'age' && encryption.identityFiles.length === 0;
}

export function timeLine(startedAtMs: number, nowMs: number): string {
  return `up since ${timeText(startedAtMs)}, ready after ${((nowMs - startedAtMs) / 1000).toFixed(1)} s; Ctrl-C ends the agent, then Temporal`;
}
