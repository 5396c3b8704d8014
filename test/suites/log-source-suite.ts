/** What every way to hold a log must do, against a real rstmdb that goes on writing and compacts. */
import { mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { LivePinKind } from '../../src/contract/hot-backup.ts';
import { positionBytesOf, segmentOf } from '../../src/core/wal/wal-offset.ts';
import { type LogSource, logSource, type OpenLogs } from '../../src/database/log-source.ts';
import { listSegments, type SegmentFile } from '../../src/io/data-directory/segments.ts';
import { connectRstmdb } from '../../src/io/rstmdb/connect-rstmdb.ts';
import { applyEvent, createInstance } from '../../src/io/rstmdb/instances.ts';
import { compact, putMachine } from '../../src/io/rstmdb/server.ts';
import { type AcknowledgedWrite, startLoadWriters } from '../support/load-writers.ts';
import { type RstmdbServer, startRstmdb } from '../support/rstmdb-server.ts';

const HEADER_SIZE_BYTES = 24;
const WRITES_PER_ROUND = 1500;
const ROUNDS = 4;
const TICKER = {
  machine: 'ticker',
  version: 1,
  definitionText: '{"states":["a"],"initial":"a","transitions":[{"from":"a","event":"TICK","to":"a"}]}',
};
const BIG_PAYLOAD = JSON.stringify({ filling: 'x'.repeat(150_000) });

type Held = { source: LogSource; segments: readonly SegmentFile[] };

export function logSourceSuite(pin: LivePinKind): void {
  describe(`a log held by ${pin}`, { timeout: 60_000 }, () => {
    let dataDir: string;
    let server: RstmdbServer;
    const openLogs: OpenLogs = new Map();

    beforeEach(async () => {
      dataDir = await mkdtemp(join(tmpdir(), 'rstow-fence-'));
      const env = { RSTMDB_COMPACT_ENABLED: 'false', RSTMDB_WAL_SEGMENT_SIZE_MB: '1', RSTMDB_FSYNC_POLICY: 'never' };
      server = await startRstmdb({ dataDir, env });
    });

    afterEach(async () => {
      for (const runId of [...openLogs.keys()]) await sourceOf(runId).release();
      await server.kill();
      await rm(dataDir, { recursive: true, force: true });
    });

    const sourceOf = (runId: string): LogSource => logSource(pin, { dataDir, timeline: '0001', runId }, openLogs);

    async function hold(runId: string): Promise<Held> {
      const source = sourceOf(runId);
      const segments = await source.fence();
      if (segments === undefined) throw new Error(`a temporary folder holds a log by ${pin}`);
      return { source, segments };
    }

    /** Its only instance moves on to the newest segment, so that its snapshot lets the older ones be deleted. */
    async function fillSegments(): Promise<void> {
      const client = await connectRstmdb({ address: server.address, connectTimeoutMs: 5000, requestTimeoutMs: 30_000 });
      await putMachine(client, TICKER);
      await createInstance(client, { id: 'ticker', machine: TICKER.machine, version: TICKER.version });
      for (let tick = 0; tick < 12; tick += 1) await applyEvent(client, { instanceId: 'ticker', event: 'TICK', payloadText: BIG_PAYLOAD });
      await client.close();
    }

    async function compactNow(): Promise<number> {
      const client = await connectRstmdb({ address: server.address, connectTimeoutMs: 5000, requestTimeoutMs: 30_000 });
      const { segmentsDeleted } = await compact(client, { forceSnapshot: true, timeoutMs: 30_000 });
      await client.close();
      return segmentsDeleted;
    }

    it('fences every write that was acknowledged before, under 8 writers and a rotating log', async () => {
      const writers = await startLoadWriters({ address: server.address, writers: 8 });
      for (let round = 1; round <= ROUNDS; round += 1) {
        await writers.acknowledgedAtLeast(round * WRITES_PER_ROUND);
        const acknowledged = [...writers.result.acknowledged];
        expect(await beyondFence(acknowledged, await hold(`run-${round}`))).toEqual([]);
      }
      await writers.stop();
      expect((await hold('last')).segments.length).toBeGreaterThan(1);
    });

    it('keeps what a compaction deletes, byte for byte, though it is held twice and looked up anew', async () => {
      await fillSegments();
      const { segments } = await hold('run');
      const before = await bytesOf(sourceOf('run'), segments);
      const deleted = await compactNow();
      expect(deleted).toBeGreaterThan(0);
      expect(segments.length).toBeGreaterThan(deleted);
      expect((await hold('run')).segments).toEqual(segments);
      expect(await bytesOf(sourceOf('run'), segments)).toEqual(before);
    });

    it('gives the segments back: what compaction has deleted is gone then, and releasing twice is no error', async () => {
      await fillSegments();
      const { segments } = await hold('run');
      await compactNow();
      await sourceOf('run').release();
      await sourceOf('run').release();
      const left = await listSegments(join(dataDir, 'wal'));
      const [first] = segments;
      expect(left?.map(({ segment }) => segment)).not.toContain(first?.segment);
      const reading = async (): Promise<Buffer> => readFile(sourceOf('run').pathOf(first!.segment));
      await expect(reading()).rejects.toMatchObject({ code: expect.stringMatching(/^(ENOENT|wal-gap)$/) as string });
    });

    it('reads the file that it holds, though another one has its name by now', async () => {
      await fillSegments();
      const { source, segments } = await hold('run');
      const before = await bytesOf(source, segments);
      const first = join(dataDir, 'wal', segments[0]!.fileName);
      await writeFile(`${first}.other`, 'other bytes');
      await rename(`${first}.other`, first);
      expect(await bytesOf(source, segments)).toEqual(before);
    });

    it('fails where there is no wal/', async () => {
      await server.kill();
      await rm(join(dataDir, 'wal'), { recursive: true });
      await expect(sourceOf('run').fence()).rejects.toMatchObject({ code: 'data-directory-missing' });
    });
  });
}

async function bytesOf(source: LogSource, segments: readonly SegmentFile[]): Promise<string[]> {
  const contents = await Promise.all(segments.map(({ segment }) => readFile(source.pathOf(segment))));
  return contents.map((content, index) => content.subarray(0, segments[index]?.sizeBytes).toString('base64'));
}

/** Those whose whole record does not lie within the fence, looked up in the held files themselves. */
async function beyondFence(acknowledged: readonly AcknowledgedWrite[], { source, segments }: Held): Promise<string[]> {
  const fenced = new Map<number, Buffer>();
  for (const { segment, sizeBytes } of segments) fenced.set(segment, (await readFile(source.pathOf(segment))).subarray(0, sizeBytes));
  const isWhole = ({ offset }: AcknowledgedWrite): boolean => {
    const record = fenced.get(segmentOf(offset))?.subarray(positionBytesOf(offset));
    if (record === undefined || record.length < HEADER_SIZE_BYTES || record.toString('latin1', 0, 4) !== 'WLOG') return false;
    return record.length >= HEADER_SIZE_BYTES + record.readUInt32BE(8);
  };
  return acknowledged.filter((write) => !isWhole(write)).map(({ instanceId }) => instanceId);
}
