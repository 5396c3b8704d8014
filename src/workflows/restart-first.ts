import type { Place } from '../activities/catalogue/locate.ts';
import type { DataSummary } from '../contract/data-summary.ts';
import type { DisasterRecoveryInput, DisasterRecoveryResult, SeenData } from '../contract/disaster-recovery.ts';
import type { Warning } from '../contract/result.ts';
import type { BackedUp, Engine } from './engine.ts';
import { backUpInPlace } from './hot-backup.ts';

/** The data that a recovery gives up, as far as they could be seen, and why the server can't continue on them. */
export type GivenUp = { /** Those that could be seen. */ agents: string[]; seen: SeenData[]; why?: string; unseen?: string };

type Owner = { place: Place | undefined; isUp: boolean };

/**
 * Starts the server on the owner's own data, where they are whole and continue the newest backup: a recovery is for data
 * that are lost, not for a server that has ended. Else reports what is given up by recovering from a backup.
 */
export async function restartFirst(input: DisasterRecoveryInput, engine: Engine, owner: Owner): Promise<DisasterRecoveryResult | GivenUp> {
  const { place, isUp } = owner;
  if (place === undefined) return { agents: [], seen: [], unseen: 'the owner’s host does not answer, so its disk can’t be seen' };
  try {
    const { database } = input;
    if (isUp || !asksForLatestHere(input, place)) return givenUp(place, await engine.surveys(place).surveyData({ database }));
    engine.phase('starting the server on the data in place', `the server of agent "${place.agent}" to answer`);
    const restarted = await engine.restarts(place).restartServer({ database });
    if (restarted.kind === 'no') return { ...givenUp(place, restarted.found), why: restarted.why };
    return await afterRestart(input, engine, { place, data: restarted.found, warnings: restarted.warnings });
  } catch (error) {
    if (!engine.isSilent(error)) throw error;
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

async function afterRestart(input: DisasterRecoveryInput, engine: Engine, restarted: Restarted): Promise<DisasterRecoveryResult> {
  const { place, data } = restarted;
  const { agent } = place;
  const { runId, database, startedAtMs } = engine;
  const rtoMs = engine.now() - startedAtMs;
  const { firstBackup, warnings } = data.unsavedRecords === 0 ? { warnings: [] } : await backUpUnsaved(input, engine, place);
  return {
    outcome: 'restarted',
    runId,
    database,
    warnings: [...restarted.warnings, ...warnings],
    agent,
    dataDir: data.dataDir,
    timeline: data.timeline ?? undefined,
    found: { agent, data },
    firstBackup,
    rtoMs,
    durationMs: engine.now() - startedAtMs,
  };
}

/** What was written since the newest backup has just been in danger. */
async function backUpUnsaved({ database, repository }: DisasterRecoveryInput, engine: Engine, place: Place): Promise<BackedUp> {
  engine.phase('backing up what no backup holds');
  const otherwise = `the server runs, but its newest records are in no backup yet: \`rstow backup ${database}\` makes one`;
  return backUpInPlace(engine, place, { repository, otherwise });
}
