import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkDataDirectoryIsServers } from '../../../src/database/data-directory-check.ts';
import { makeSegmentId, makeWalOffset, segmentFileName, walOffsetText } from '../../../src/core/wal/wal-offset.ts';
import { connectRstmdb } from '../../../src/io/rstmdb/connect-rstmdb.ts';
import { goldenSegment } from '../../fixtures/wal/golden.ts';
import { type FakeRcpServer, sendResult, startFakeRcpServer } from '../../support/fake-rcp-server.ts';
import { BOUNDARIES } from '../activities/scene.ts';

let dataDir: string;
let server: FakeRcpServer | undefined;

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'rstow-check-'));
  await mkdir(join(dataDir, 'wal'));
});
afterEach(async () => {
  await server?.stop();
  await rm(dataDir, { recursive: true });
});

const segment = (id: number): Parameters<typeof makeWalOffset>[0] => makeSegmentId(id)!;

/** Segment files of these sizes or bytes, and a server that says that its log ends there, then there. */
async function check(files: Record<number, number | Uint8Array>, ends: [id: number, positionBytes: number][]): Promise<void> {
  for (const [id, content] of Object.entries(files)) {
    await writeFile(
      join(dataDir, 'wal', segmentFileName(segment(Number(id)))),
      typeof content === 'number' ? Buffer.alloc(content) : content,
    );
  }
  server = await startFakeRcpServer((request, socket) => {
    const [id, positionBytes] = ends.length > 1 ? ends.shift()! : ends[0]!;
    sendResult(
      socket,
      request,
      `{"entry_count":1,"segment_count":1,"latest_offset":${walOffsetText(makeWalOffset(segment(id), positionBytes))}}`,
    );
  });
  const client = await connectRstmdb({ address: server.address, connectTimeoutMs: 2000, requestTimeoutMs: 2000 });
  try {
    await checkDataDirectoryIsServers({ dataDir, address: server.address }, client);
  } finally {
    await client.close();
  }
}

describe('the data directory', () => {
  it('is the server’s where the server’s log ends between its two answers', async () => {
    await check({ 1: 500, 2: 120 }, [
      [2, 100],
      [2, 150],
    ]);
  });

  it('is the server’s where segments rotated while its files were listed', async () => {
    await check({ 1: 500 }, [
      [1, 400],
      [2, 50],
    ]);
  });

  it('is the server’s where a rotation has made the next file already', async () => {
    await check({ 1: 500, 2: 0 }, [[1, 500]]);
  });

  it('is the server’s where two rotations at once left it on the older of their segments', async () => {
    await check({ 1: 500, 2: 90, 3: 40 }, [
      [2, 80],
      [2, 100],
    ]);
  });

  it('is the server’s though a full disk tore a record in it, which the server doesn’t count', async () => {
    await check({ 1: goldenSegment().subarray(0, BOUNDARIES.at(-1)! - 1) }, [[1, BOUNDARIES.at(-2)!]]);
  });

  it.each([
    ['lacks what the server has written', { 1: 90 }, [[1, 100]]],
    ['lacks the segment that the server writes to', { 1: 500 }, [[2, 100]]],
    ['holds more records than the server has written', { 1: goldenSegment() }, [[1, BOUNDARIES.at(-2)!]]],
  ] as [string, Record<number, number | Uint8Array>, [number, number][]][])('is foreign where it %s', async (_what, files, ends) => {
    await expect(check(files, ends)).rejects.toMatchObject({ code: 'data-directory-foreign' });
  });
});
