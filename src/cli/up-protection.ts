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

/** What was found of a server that runs already, and what a person has to do about it. */
export function foundLines({ found, configFile }: UpReady): string[] {
  if (found === undefined) return [];
  const facts = factLines([
    ['server', found.found],
    ['kept in', found.service === undefined ? undefined : configFile],
  ]);
  return [...facts, ...found.todo.map((line) => `  ${line}`), ''];
}

/** What is safe now, and what would be lost. */
export function protectionLines(ready: UpReady, described: Workflows['describeDatabase']['result']): string[] {
  const { database, latest, backups, repository } = described;
  const { config } = ready;
  const settings = config.databases[database];
  const gaps = [...foreignGaps(ready, described), ...described.protection.gaps];
  return factLines([
    [
      gaps.length === 0 ? 'protected' : 'NOT PROTECTED',
      `${database}: the server at ${settings?.server.address ?? ''} on ${settings?.dataDir ?? ''}`,
    ],
    ...gapFacts(gaps),
    ['repository', `${repository}: ${config.repositories[repository]?.path ?? ''}, ${countedText(backups, 'backup')}`],
    [
      'last backup',
      latest === null ? 'none' : `${latest.label}, ${countText(latest.instances)} instances, verified: ${verifiedText(latest)}`,
    ],
    ['schedule', scheduleText(described)],
    ['at risk', 'what is written between two backups'],
    ['restore', restoreText(ready, database)],
  ]);
}

/** Another host backs it up: this one has nothing to protect. */
function foreignGaps({ agent }: UpReady, { owner, database }: Workflows['describeDatabase']['result']): ProtectionGap[] {
  if (owner === null || owner.installationId === agent.installationId) return [];
  const sentence = `agent ${owner.agent} owns it (installation ${owner.installationId}), not this one`;
  return [{ code: 'owner-outdated', sentence, remedy: `rstow adopt ${database}, if the server that counts is the one here` }];
}

function restoreText({ config, configFile }: UpReady, database: string): string {
  if (config.databases[database]?.service.kind !== 'none') return 'in place or elsewhere';
  return `to another directory; in place once databases.${database}.service in ${configFile} says how to stop the server`;
}

export function timeLine(startedAtMs: number, nowMs: number): string {
  return `up since ${timeText(startedAtMs)}, ready after ${((nowMs - startedAtMs) / 1000).toFixed(1)} s; Ctrl-C ends the agent, then Temporal`;
}
