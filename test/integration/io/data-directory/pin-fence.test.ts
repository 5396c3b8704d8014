import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { positionBytesOf, segmentOf } from '../../../../src/core/wal/wal-offset.ts';
import { pinSegments, runPinFolder, unpinSegments } from '../../../../src/io/data-directory/pins.ts';
import { listSegments, openSegments, type SegmentFile } from '../../../../src/io/data-directory/segments.ts';
import { connectRstmdb } from '../../../../src/io/rstmdb/connect-rstmdb.ts';
import { applyEvent, createInstance } from '../../../../src/io/rstmdb/instances.ts';
import { putMachine } from '../../../../src/io/rstmdb/machines.ts';
import { compact } from '../../../../src/io/rstmdb/server.ts';
import { type AcknowledgedWrite, startLoadWriters } from '../../../support/load-writers.ts';
import { type RstmdbServer, startRstmdb } from '../../../support/rstmdb-server.ts';

const HEADER_SIZE_BYTES = 24;
const WRITES_PER_ROUND = 1500;
const ROUNDS = 4;
const TICKER = {
  machine: 'ticker',
  version: 1,
  definitionText: '{"states":["a"],"initial":"a","transitions":[{"from":"a","event":"TICK","to":"a"}]}',
};
const BIG_PAYLOAD = JSON.stringify({ filling: 'x'.repeat(150_000) });

let dataDir: string;
let server: RstmdbServer;

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'rstow-fence-'));
  const env = { RSTMDB_COMPACT_ENABLED: 'false', RSTMDB_WAL_SEGMENT_SIZE_MB: '1', RSTMDB_FSYNC_POLICY: 'never' };
  server = await startRstmdb({ dataDir, env });
});

afterEach(async () => {
  await server.kill();
  await rm(dataDir, { recursive: true, force: true });
});

/** Those whose whole record does not lie within the fence, looked up in the fenced files themselves. */
async function beyondFence(acknowledged: readonly AcknowledgedWrite[], fence: readonly SegmentFile[]): Promise<string[]> {
  const fenced = new Map<number, Buffer>();
  for (const file of fence) fenced.set(file.segment, (await readFile(file.path)).subarray(0, file.sizeBytes));
  const isWhole = ({ offset }: AcknowledgedWrite): boolean => {
    const record = fenced.get(segmentOf(offset))?.subarray(positionBytesOf(offset));
    if (record === undefined || record.length < HEADER_SIZE_BYTES || record.toString('latin1', 0, 4) !== 'WLOG') return false;
    return record.length >= HEADER_SIZE_BYTES + record.readUInt32BE(8);
  };
  return acknowledged.filter((write) => !isWhole(write)).map(({ instanceId }) => instanceId);
}

it('fences every write that was acknowledged before it pinned, under 8 writers and a rotating log', { timeout: 60_000 }, async () => {
  const writers = await startLoadWriters({ address: server.address, writers: 8 });
  for (let round = 1; round <= ROUNDS; round += 1) {
    await writers.acknowledgedAtLeast(round * WRITES_PER_ROUND);
    const acknowledged = [...writers.result.acknowledged];
    const pinned = await pinSegments({ dataDir, timeline: '0001', runId: `run-${round}` });
    if (pinned.kind !== 'links') throw new Error('links can be made in a temporary folder');
    expect(await beyondFence(acknowledged, pinned.segments)).toEqual([]);
  }
  await writers.stop();
  const last = await pinSegments({ dataDir, timeline: '0001', runId: 'last' });
  expect(last.kind === 'links' && last.segments.length).toBeGreaterThan(1);
});

it('fences by descriptors as well', { timeout: 60_000 }, async () => {
  const writers = await startLoadWriters({ address: server.address, writers: 8 });
  await writers.acknowledgedAtLeast(WRITES_PER_ROUND);
  const acknowledged = [...writers.result.acknowledged];
  await using opened = await openSegments(join(dataDir, 'wal'));
  expect(await beyondFence(acknowledged, opened?.segments ?? [])).toEqual([]);
  await writers.stop();
});

it('keeps what a compaction deletes, until it unpins', { timeout: 60_000 }, async () => {
  const client = await connectRstmdb({ address: server.address, connectTimeoutMs: 5000, requestTimeoutMs: 30_000 });
  await putMachine(client, TICKER);
  await createInstance(client, { id: 'ticker', machine: TICKER.machine, version: TICKER.version });
  // The one instance moves on to the newest segment, so that its snapshot lets the older ones be deleted.
  for (let tick = 0; tick < 12; tick += 1) await applyEvent(client, { instanceId: 'ticker', event: 'TICK', payloadText: BIG_PAYLOAD });
  const pin = { dataDir, timeline: '0001', runId: 'run' };
  const before = await pinSegments(pin);
  const { segmentsDeleted } = await compact(client, { forceSnapshot: true, timeoutMs: 30_000 });
  await client.close();
  expect(segmentsDeleted).toBeGreaterThan(0);
  expect(before.kind === 'links' && before.segments.length).toBeGreaterThan(segmentsDeleted);
  expect(await pinSegments(pin)).toEqual(before);
  await unpinSegments(pin);
  expect(await listSegments(runPinFolder(pin))).toBeUndefined();
});
