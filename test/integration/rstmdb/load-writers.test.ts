import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { positionBytesOf, segmentFileName, segmentOf } from '../../../src/core/wal/wal-offset.ts';
import { startLoadWriters, type AcknowledgedWrite } from '../../support/load-writers.ts';
import { startRstmdb } from '../../support/rstmdb-server.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rstow-load-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const RECORD_HEADER_SIZE_BYTES = 24;

async function payloadsAt(dataDir: string, writes: AcknowledgedWrite[]): Promise<unknown[]> {
  const segments = new Map<string, Buffer>();
  const payloads: unknown[] = [];
  for (const { offset } of writes) {
    const path = join(dataDir, 'wal', segmentFileName(segmentOf(offset)));
    const bytes = segments.get(path) ?? (await readFile(path));
    segments.set(path, bytes);
    const start = positionBytesOf(offset) + RECORD_HEADER_SIZE_BYTES;
    const length = bytes.readUInt32BE(positionBytesOf(offset) + 8);
    payloads.push(JSON.parse(bytes.subarray(start, start + length).toString()));
  }
  return payloads;
}

describe('startLoadWriters', () => {
  it('knows for each acknowledged write where its record lies and what it says, over rotations and a restart', async () => {
    const dataDir = join(folder, 'data');
    const env = { RSTMDB_WAL_SEGMENT_SIZE_MB: '1' };
    const first = await startRstmdb({ dataDir, env });
    const load = await startLoadWriters({ address: first.address, writers: 8 });
    await load.acknowledgedAtLeast(1000);
    await first.kill();
    const second = await startRstmdb({ dataDir, env, port: first.port });
    await load.acknowledgedAtLeast(load.result.acknowledged.length + 1000);
    const { acknowledged, refused, unanswered } = await load.stop();
    expect(await second.stop()).toBe(0);

    const payloads = await payloadsAt(dataDir, acknowledged);
    for (const [index, { written }] of acknowledged.entries()) expect(payloads[index]).toMatchObject(written);
    expect(new Set(acknowledged.map(({ offset }) => offset)).size).toBe(acknowledged.length);
    expect(unanswered).toBeLessThanOrEqual(8);
    for (const serverCode of refused.keys()) expect(serverCode).toBe('WAL_IO_ERROR');
  });
});
