import type { DescribeDatabaseResult } from '../../contract/describe-database.ts';
import type { UpReady } from '../../up/up.ts';
import type { ProtectionGap } from '../../core/protection/verdict.ts';
import { gapFacts, scheduleText } from '../results/protection-text.ts';
import { countedText, countText, timeText } from '../size-text.ts';
import { standingText } from '../results/standing-text.ts';
import { factLines } from '../table.ts';

export function temporalLines({ agent, config, configFile, temporal }: UpReady): string[] {
  const { address, namespace, uiUrl, isAdopted, loss } = temporal;
  return factLines([
    ['agent', `${agent.name}, by ${configFile}`],
    ['Temporal', `${address}, namespace ${namespace}${isAdopted ? ', left running before and taken over' : ''}`],
    ...(loss === undefined ? [] : [['lost', loss] as const]),
    ['signs with', config.agent.operatorKeyFile ?? 'no key'],
    ['UI', `${uiUrl}/namespaces/${namespace}/workflows`],
  ]);
}

/** What was found of a server that runs already, and what a person has to do about it. */
export function foundLines({ found, configFile }: UpReady): string[] {
  if (found === undefined) return [];
  const kept = found.service === undefined ? [] : [['kept in', configFile] as const];
  return [...factLines([['server', found.found], ...kept]), ...found.todo.map((line) => `  ${line}`), ''];
}

/** What is safe now, and what would be lost. */
export function protectionLines(ready: UpReady, described: DescribeDatabaseResult): string[] {
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
      latest === null ? 'none' : `${latest.label}, ${countText(latest.instances)} instances, verified: ${standingText(latest)}`,
    ],
    ['schedule', scheduleText(described)],
    ['at risk', 'what is written between two backups'],
    ['restore', restoreText(ready, database)],
  ]);
}

/** Another host backs it up: this one has nothing to protect. */
function foreignGaps({ agent }: UpReady, { owner, database }: DescribeDatabaseResult): ProtectionGap[] {
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
