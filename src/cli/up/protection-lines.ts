import type { DescribeDatabaseResult } from '../../contract/describe-database.ts';
import type { UpReady } from '../../worker/up/up.ts';
import { countText, timeText } from '../size-text.ts';
import { standingText } from '../results/standing-text.ts';
import { factLines } from '../table.ts';

export function temporalLines({ agentName, configFile, temporal }: UpReady): string[] {
  const { address, namespace, uiUrl, isAdopted } = temporal;
  return factLines([
    ['agent', `${agentName}, by ${configFile}`],
    ['Temporal', `${address}, namespace ${namespace}${isAdopted ? ', left running before and taken over' : ''}`],
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
export function protectionLines({ config }: UpReady, { database, latest, backups, repository }: DescribeDatabaseResult): string[] {
  const settings = config.databases[database];
  return factLines([
    ['protected', `${database}: the server at ${settings?.server.address ?? ''} on ${settings?.dataDir ?? ''}`],
    ['repository', `${repository}: ${config.repositories[repository]?.path ?? ''}, ${countText(backups)} backups`],
    [
      'last backup',
      latest === null ? 'none' : `${latest.label}, ${countText(latest.instances)} instances, verified: ${standingText(latest)}`,
    ],
    ['at risk', `what was written since then; \`rstow backup ${database}\` or a schedule of hotBackup makes the next one`],
    [
      'restore',
      settings?.service.kind === 'none'
        ? 'to another directory; in place, once databases.<db>.service says how to stop the server'
        : 'in place or elsewhere',
    ],
  ]);
}

export function timeLine(startedAtMs: number, nowMs: number): string {
  return `up since ${timeText(startedAtMs)}, ready after ${((nowMs - startedAtMs) / 1000).toFixed(1)} s; Ctrl-C ends the agent, then Temporal`;
}
