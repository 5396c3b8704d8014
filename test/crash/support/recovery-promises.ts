/** What a disaster recovery promises, held against what the test knows of the lost host. */
import { openServer } from '../../../src/database/database.ts';
import { currentOwner } from '../../../src/store/ownership.ts';
import { readTimelines } from '../../../src/store/timelines.ts';
import { LIST_PAGE_INSTANCES_MAX, listInstances } from '../../../src/io/rstmdb/instances.ts';
import { DATABASE, type DatabaseStack } from '../../support/database-stack.ts';
import type { KilledRecovery } from './killed-recovery.ts';
import { leftBehind } from './left-behind.ts';
import { untiledPieces } from './piece-stamps.ts';

/** The test asks every 20 ms, on a busy machine. */
const ASKING_MS = 5000;
/** A retry of the comparison, after a kill that it did not survive, and its own time. */
const COMPARING_MS = 15_000;

/** Sentences about what was promised and is not so; empty where all holds. Takes a write at the end. */
export async function brokenRecoveryPromises(recovery: KilledRecovery): Promise<string[]> {
  const { lost, killed } = recovery;
  const { result, runId } = killed;
  const { scene } = lost;
  const live = await scene.digest();
  const promised = lost.scene.backup.stateDigest ?? 'none';
  // An old copy of the log on the new host is given up with a warning.
  const outcome = result.lost?.discarded.length === 0 ? 'done' : 'warnings';
  return [
    ...unless(result.outcome === outcome && result.runId === runId, `run ${runId} ended as ${JSON.stringify(result)}`),
    ...unless(result.label === scene.backup.label, `it recovered ${String(result.label)}, not ${String(scene.backup.label)}`),
    ...unless(result.stateDigest === promised, `the run tells the digest ${String(result.stateDigest)}, not ${promised}`),
    ...unless(live === promised, `the server shows the digest ${live}, not ${promised}`),
    ...(await wrongInstances(lost)),
    ...wrongLoss(recovery),
    ...wrongRto(recovery),
    ...(await wrongHistory(recovery)),
    ...killed.walAtKills.filter((found) => found === 'something else').map(() => 'a server would have found neither data nor refusal'),
    ...killed.changedPieces.map((path) => `${path} was stored twice`),
    ...untiledPieces(scene.stack).map((key) => `${key} overlaps another piece, or leaves a hole`),
    ...(await leftBehind(scene, runId)).map((what) => `left behind: ${what}`),
    ...unless((await scene.write(`after-${scene.stack.config.agent.name}`, 20)).length >= 20, 'the new server takes no write'),
  ];
}

function unless(holds: boolean, sentence: string): string[] {
  return holds ? [] : [sentence];
}

/** Every order that was acknowledged before the backup is there, and none that came after it. */
async function wrongInstances({ scene, savedWrites, lostWrites }: KilledRecovery['lost']): Promise<string[]> {
  const there = await instanceIds(scene.stack);
  const saved = new Set(savedWrites.map(({ instanceId }) => instanceId));
  const missing = [...saved].filter((id) => !there.has(id));
  const risen = lostWrites.filter(({ instanceId }) => there.has(instanceId));
  return [
    ...missing.map((id) => `${id} was acknowledged before the backup, and is missing`),
    ...risen.map(({ instanceId }) => `${instanceId} was written after the backup, and is there`),
  ];
}

async function instanceIds({ settings, config }: DatabaseStack): Promise<Set<string>> {
  const page = { limit: LIST_PAGE_INSTANCES_MAX, offset: 0 };
  const { instances } = await openServer(settings, config.timing).ask((client) => listInstances(client, page));
  return new Set(instances.map(({ id }) => id));
}

function wrongLoss({ lost, killed }: KilledRecovery): string[] {
  const told = killed.result.lost;
  if (told === undefined) return ['nothing is told of the loss'];
  const [saved, gone] = [lost.savedWrites, lost.lostWrites].map((writes) => writes.map(({ acknowledgedAtMs }) => acknowledgedAtMs));
  return [
    ...unless(
      saved!.every((atMs) => atMs <= told.sinceMs),
      'a write from before `lost.sinceMs` is lost',
    ),
    ...unless(
      gone!.every((atMs) => atMs > told.sinceMs && atMs <= told.untilMs),
      'a write is lost that `lost` leaves out',
    ),
    ...unless(told.knownRecords === 0, `${told.knownRecords} records of newer backups are told lost, but there is none`),
  ];
}

/** The time that is told ends with the comparison: not before the first answer, and soon after it, or after the kill that came between. */
function wrongRto({ killed, firstAnswerAtMs, endedAtMs }: KilledRecovery): string[] {
  const { rtoMs, lost } = killed.result;
  const toldAtMs = (lost?.untilMs ?? 0) + (rtoMs ?? 0);
  const latestAtMs = Math.min(endedAtMs, Math.max(firstAnswerAtMs, killed.revivedAtMs) + COMPARING_MS);
  return [
    ...unless(toldAtMs >= firstAnswerAtMs - ASKING_MS, `the server answered ${firstAnswerAtMs - toldAtMs} ms later than is told`),
    ...unless(toldAtMs <= latestAtMs, `the recovery time that is told ends ${toldAtMs - latestAtMs} ms too late`),
  ];
}

/** One new owner and one new timeline, however often a step was done. */
async function wrongHistory({ lost, killed }: KilledRecovery): Promise<string[]> {
  const repository = await lost.scene.stack.openRepository();
  const owner = await currentOwner(repository, DATABASE);
  const timelines = await readTimelines(repository, DATABASE);
  const { name } = lost.scene.stack.config.agent;
  const wanted = lost.generation + 1;
  return [
    ...unless(
      owner !== undefined && owner.agent === name && owner.generation === wanted,
      `agent ${String(owner?.agent)} is the owner by generation ${String(owner?.generation)}`,
    ),
    ...unless(killed.result.generation === wanted, `the run tells generation ${String(killed.result.generation)}, not ${wanted}`),
    ...unless(timelines.size === lost.timelines + 1, `there are ${timelines.size} timelines after ${lost.timelines}`),
    ...unless(owner?.timeline === killed.result.timeline, `the owner's timeline is ${String(owner?.timeline)}`),
  ];
}
