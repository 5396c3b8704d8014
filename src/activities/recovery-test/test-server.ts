import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import type { Assertions, CountAssertion, InstanceAssertion } from '../../contract/test-recovery.ts';
import { assert, RstowError } from '../../core/errors/rstow-error.ts';
import { parseWalOffset, positionBytesOf, segmentFileName, segmentOf } from '../../core/wal/wal-offset.ts';
import { removeScratch } from '../../io/agent-state/run-files.ts';
import { cutLog, listSegments } from '../../io/data-directory/segments.ts';
import { type Connector, createInstance, getInstance, instancePages } from '../../io/rstmdb/instances.ts';
import { putMachine } from '../../io/rstmdb/server.ts';
import type { RstmdbClient } from '../../io/rstmdb/rstmdb-client.ts';
import type { ActivityDeps } from '../activity-deps.ts';
import { openDatabase } from '../../database/database.ts';
import type { RunPort } from '../run-port.ts';
import { memoryShortage } from '../../database/scratch-needs.ts';
import { bootScratchServer, endScratchServer, endScratchServers, type ScratchPlace } from '../../database/scratch-server.ts';
import { type LiveServer, readLiveDigest, showsSameState } from '../../replay/live-digest.ts';
import type { ReplaySource } from '../../replay/replay-segments.ts';
import { type StagedState, testDataDir } from './test-steps.ts';
import { sameValue, valueAtPath } from '../../core/json/json-value.ts';

type TestServerInput = { database: string; staged: StagedState; assertions?: Assertions };
type TestedServer = { assertionsHeld: number; startMs: number; compareMs: number; writeMs: number; restartsMs: number };

const RESTARTS = 2;
const MACHINE = { machine: 'rstow-recovery-test', version: 1 };
const DEFINITION = '{"states":["written"],"initial":"written","transitions":[]}';

/**
 * Boots a real server on the scratch copy: its state must have the replay's digest and hold the operator's assertions,
 * it must take a write, and still have it after two restarts. Ended whatever happens.
 * Fails: not-enough-memory, port-taken, service-start-failed, digest-different, assertion-failed, server-refused.
 * Twice: the log is cut back to what was staged, so that an earlier attempt's write is no part of the comparison.
 */
export const testServer =
  (deps: ActivityDeps) =>
  async (input: TestServerInput, run: RunPort): Promise<TestedServer> => {
    const place: ScratchPlace = { ...(await testPlace(deps, input.database, run)), attempt: randomUUID() };
    await endScratchServers(place);
    await cutLog(join(place.dataDir, 'wal'), endOf(input.staged));
    const shortage = await memoryShortage(place.database, input.staged.extents.sizeBytes);
    if (shortage !== undefined) throw shortage;
    try {
      return await proveServer(place, { input, run });
    } finally {
      await endScratchServer(place);
    }
  };

/** Ends the test's server and removes its place. Twice: no-op. */
export const clearTest =
  (deps: ActivityDeps) =>
  async ({ database }: { database: string }, run: RunPort): Promise<void> => {
    await endScratchServers(await testPlace(deps, database, run));
    await removeScratch(deps.config.agent.stateDir, run.runId);
  };

async function testPlace(deps: ActivityDeps, database: string, { runId }: RunPort): Promise<Omit<ScratchPlace, 'attempt'>> {
  return { database: openDatabase(deps, database), dataDir: await testDataDir(deps, runId), runId };
}

type Test = { input: TestServerInput; run: RunPort };

async function proveServer(place: ScratchPlace, { input, run }: Test): Promise<TestedServer> {
  const { signal } = run;
  const clock = createStopwatch();
  let server = await bootScratchServer(place, signal);
  const startMs = clock.lapMs();
  await requireSameState(server, { staged: input.staged, walDir: join(place.dataDir, 'wal') }, run);
  const assertionsHeld = await checkAssertions(server.connector({ signal }), input.assertions);
  const compareMs = clock.lapMs();
  await server.ask((client) => writeMark(client, run.runId), { signal });
  const writeMs = clock.lapMs();
  for (let restart = 0; restart < RESTARTS; restart += 1) {
    await server.service.stop();
    server = await bootScratchServer(place, signal);
    await server.ask((client) => requireMark(client, run.runId), { signal });
  }
  await server.service.stop();
  return { assertionsHeld, startMs, compareMs, writeMs, restartsMs: clock.lapMs() };
}

function endOf({ extents }: StagedState): Parameters<typeof cutLog>[1] {
  const end = parseWalOffset(extents.end);
  assert(end !== undefined, 'a summary ends with an offset');
  return { segment: segmentOf(end), endBytes: positionBytesOf(end) };
}

type Recovered = { staged: StagedState; walDir: string };

/** Equal digests, or equal but for the floats that a server itself moves at each start. */
async function requireSameState(server: LiveServer, { staged, walDir }: Recovered, run: RunPort): Promise<void> {
  const { stateDigest } = staged;
  const { stateDigest: found } = await readLiveDigest(server, run);
  if (found === stateDigest || (await showsSameState(server, await filesIn(walDir), run))) return;
  throw new RstowError('digest-different', `a server on the recovered log shows the state ${found}, not ${stateDigest}`, {
    details: { found, promised: stateDigest },
  });
}

/** The scratch log as it lies there: the server has not been written to yet. */
async function filesIn(walDir: string): Promise<ReplaySource> {
  const extents = ((await listSegments(walDir)) ?? []).map(({ segment, sizeBytes }) => ({ segment, endBytes: sizeBytes }));
  return { extents, pathOf: (segment) => join(walDir, segmentFileName(segment)), damageCode: 'damaged-object' };
}

async function writeMark(client: RstmdbClient, runId: string): Promise<void> {
  await putMachine(client, { ...MACHINE, definitionText: DEFINITION });
  await createInstance(client, { ...MACHINE, id: markId(runId) });
}

async function requireMark(client: RstmdbClient, runId: string): Promise<void> {
  if ((await getInstance(client, markId(runId))) !== undefined) return;
  throw new RstowError('digest-different', 'the recovered server has lost, at a restart, a write that it had acknowledged');
}

function markId(runId: string): string {
  return `rstow-recovery-test-${runId}`;
}

function createStopwatch(): { lapMs(): number } {
  let lastMs = performance.now();
  return {
    lapMs: () => {
      const nowMs = performance.now();
      const lapMs = Math.round(nowMs - lastMs);
      lastMs = nowMs;
      return lapMs;
    },
  };
}

/** Holds what the operator knows against the recovered server; gives how many held. Fails: assertion-failed, naming the first. */
export async function checkAssertions(connect: Connector, assertions: Assertions): Promise<number> {
  const { counts = [], instances = [] } = assertions ?? {};
  const found = counts.length === 0 ? new Map<string, number>() : await countByState(connect);
  for (const assertion of counts) checkCount(assertion, found);
  const client = await connect();
  try {
    for (const assertion of instances) await checkInstance(client, assertion);
  } finally {
    await client.close();
  }
  return counts.length + instances.length;
}

async function countByState(connect: Connector): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  const add = (key: string): void => void counts.set(key, (counts.get(key) ?? 0) + 1);
  for await (const { instances } of instancePages(connect)) {
    for (const { machine, state } of instances) {
      add(machine);
      add(stateKey(machine, state));
    }
  }
  return counts;
}

function checkCount({ machine, state, min, max }: CountAssertion, counts: ReadonlyMap<string, number>): void {
  const found = counts.get(state === undefined ? machine : stateKey(machine, state)) ?? 0;
  if (found >= (min ?? 0) && found <= (max ?? Number.POSITIVE_INFINITY)) return;
  const which = state === undefined ? `machine "${machine}"` : `machine "${machine}" in state "${state}"`;
  throw failed(`there are ${found} instances of ${which}, not ${min ?? 0} to ${max ?? 'any number'}`);
}

async function checkInstance(client: RstmdbClient, assertion: InstanceAssertion): Promise<void> {
  const { id, state, path, equals } = assertion;
  const instance = await getInstance(client, id);
  if (instance === undefined) throw failed(`there is no instance "${id}"`);
  if (state !== undefined && instance.state !== state) throw failed(`instance "${id}" is in state "${instance.state}", not "${state}"`);
  if (path === undefined) return;
  const value = valueAtPath(instance.ctxText, path);
  if (value !== undefined && (equals === undefined || sameValue(value, equals))) return;
  const [found, wanted] = [value?.slice(0, 100) ?? 'nothing', equals === undefined ? 'a value' : JSON.stringify(equals)];
  throw failed(`instance "${id}" has ${found} at ${path}, not ${wanted}`);
}

function stateKey(machine: string, state: string): string {
  return JSON.stringify([machine, state]);
}

function failed(sentence: string): RstowError {
  return new RstowError('assertion-failed', sentence);
}
