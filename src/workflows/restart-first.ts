import { ApplicationFailure, isCancellation } from '@temporalio/workflow';
import type { Place } from '../activities/catalogue/locate.ts';
import type { DataSummary } from '../contract/data-summary.ts';
import type { DisasterRecoveryInput, DisasterRecoveryResult, SeenData } from '../contract/disaster-recovery.ts';
import type { FirstBackup } from '../contract/hot-backup.ts';
import type { Warning } from '../contract/result.ts';
import { restart, survey } from './activity-proxies.ts';
import { backUp } from './hot-backup.ts';
import { unanswered } from './place.ts';
import type { Run } from './run.ts';
import { runFailure } from './run-failure.ts';

/** The data that a recovery gives up, as far as they could be seen, and why they are not gone on with. */
export type GivenUp = { /** Those that could be seen. */ agents: string[]; seen: SeenData[]; why?: string; unseen?: string };

type Owner = { place: Place | undefined; isUp: boolean };

/**
 * Starts the server on the owner's own data, where they are whole and continue the newest backup: a recovery is for data
 * that are lost, not for a server that has ended. Else tells what is given up by recovering from a backup.
 */
export async function restartFirst(input: DisasterRecoveryInput, run: Run, owner: Owner): Promise<DisasterRecoveryResult | GivenUp> {
  const { place, isUp } = owner;
  if (place === undefined) return { agents: [], seen: [], unseen: 'the owner’s host does not answer, so its disk can’t be seen' };
  try {
    const { database } = input;
    if (isUp || !asksForLatestHere(input, place)) return givenUp(place, await survey(place).surveyData({ database }));
    run.phase('starting the server on the data in place', `the server of agent "${place.agent}" to answer`);
    const restarted = await restart(place).restartServer({ database });
    if (restarted.kind === 'no') return { ...givenUp(place, restarted.found), why: restarted.why };
    return await afterRestart(input, run, { place, data: restarted.found, warnings: restarted.warnings });
  } catch (error) {
    if (!unanswered(error)) throw error;
    return { agents: [], seen: [], unseen: `agent "${place.agent}" fell silent, so its disk can’t be seen` };
  }
}

function asksForLatestHere({ force, target = 'latest', agent }: DisasterRecoveryInput, place: Place): boolean {
  return force !== true && target === 'latest' && (agent === undefined || agent === place.agent);
}

function givenUp({ agent }: Place, data: DataSummary | null): GivenUp {
  if (data === null) return { agents: [agent], seen: [], unseen: `there is no log in the data directory of agent "${agent}"` };
  return { agents: [agent], seen: [{ agent, data }] };
}

type Restarted = { place: Place; data: DataSummary; warnings: Warning[] };

async function afterRestart(input: DisasterRecoveryInput, run: Run, restarted: Restarted): Promise<DisasterRecoveryResult> {
  const { place, data } = restarted;
  const { runId, database, startedAtMs } = run;
  const rtoMs = Date.now() - startedAtMs;
  const backup = data.unsavedRecords === 0 ? { warnings: [] } : await backUpUnsaved(input, run, place);
  const { dataDir, timeline } = data;
  return {
    ...{ outcome: 'restarted', runId, database, warnings: [...restarted.warnings, ...backup.warnings] },
    ...{ agent: place.agent, dataDir, ...(timeline === null ? {} : { timeline }), found: { agent: place.agent, data } },
    ...(backup.firstBackup === undefined ? {} : { firstBackup: backup.firstBackup }),
    rtoMs,
    durationMs: Date.now() - startedAtMs,
  };
}

/** What was written since the newest backup has just been in danger. */
async function backUpUnsaved(
  { repository }: DisasterRecoveryInput,
  run: Run,
  place: Place,
): Promise<{ firstBackup?: FirstBackup; warnings: Warning[] }> {
  run.phase('backing up what no backup holds');
  const { database } = run;
  try {
    const wanted = repository === undefined ? { database } : { database, repository };
    const { label, piecesStored, bytesStored, warnings } = await backUp(wanted, run, place);
    if (label === undefined || piecesStored === undefined || bytesStored === undefined) return { warnings };
    return { firstBackup: { label, piecesStored, bytesStored }, warnings };
  } catch (error) {
    const failure = runFailure(error);
    const [code, why] =
      isCancellation(error) || !(failure instanceof ApplicationFailure)
        ? ['cancelled', '']
        : [failure.type ?? 'failed', `. ${failure.message}`];
    return {
      warnings: [
        { code, message: `the server runs, but its newest records are in no backup yet: \`rstow backup ${database}\` makes one${why}` },
      ],
    };
  }
}
