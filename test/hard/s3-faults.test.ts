/** A bucket at the end of a bad line: half a second of latency, connections that break off, and a fifth of all calls failing. */
import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ListMultipartUploadsCommand } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ORDER_MACHINE } from '../../demo/orders.ts';
import { parsePieceKey, type Piece } from '../../src/core/repository/piece.ts';
import type { Manifest } from '../../src/formats/repository/manifest.ts';
import { listSegments } from '../../src/io/data-directory/segments.ts';
import { createInstance } from '../../src/io/rstmdb/instances.ts';
import { putMachine } from '../../src/io/rstmdb/server.ts';
import { createOpener } from '../../src/io/repository/open.ts';
import type { Repository } from '../../src/io/repository/port.ts';
import { openS3Repository } from '../../src/io/repository/s3.ts';
import { s3Description, s3Properties } from '../../src/io/repository/s3-place.ts';
import { faulty } from '../../src/io/repository/wrap/faulty.ts';
import { databaseOwnership } from '../../src/worker/watch/ownership.ts';
import { hotBackup } from '../../src/workflows/hot-backup.ts';
import { restore } from '../../src/workflows/restore.ts';
import { DATABASE, type DatabaseStack } from '../support/database-stack.ts';
import { archivedBytes, startArchive } from '../support/direct-archive.ts';
import { directDeps, directEngine, expectSameWal, verifyByReplay } from '../support/direct-backup.ts';
import { makeOddSource, withClient, writeOrders } from '../support/odd-source.ts';
import { s3Settings } from '../support/s3-repository.ts';
import { lackForS3, type S3Server, startS3Server } from '../support/s3-server.ts';
import { lackForToxiproxy, startToxiproxy, type Toxiproxy } from '../support/toxiproxy.ts';

const lack = lackForS3() ?? lackForToxiproxy();
const LATENCY_MS = 500;
const MEBIBYTE = 1024 * 1024;
/** So much passes before a connection breaks off: less than the large object has, in either direction. */
const CUT_AFTER_BYTES = 5 * MEBIBYTE;
const TIMEOUT_MS = 240_000;

describe.skipIf(lack !== undefined)(`a bucket at the end of a bad line${lack ?? ''}`, () => {
  let server: S3Server;
  let toxiproxy: Toxiproxy;
  let stack: DatabaseStack;
  let bucket: string;
  let endpoint: string;
  let failed = 0;

  beforeAll(async () => {
    [server, toxiproxy] = await Promise.all([startS3Server(), startToxiproxy()]);
    bucket = await server.makeBucket();
    stack = await makeOddSource({
      segmentSizeMb: 64,
      repository: { ...s3Settings(server, bucket) },
      database: { archive: { enabled: true } },
    });
    const proxy = await toxiproxy.proxyTo(server.port);
    endpoint = `http://127.0.0.1:${proxy.port}`;
    await proxy.add({ type: 'latency', attributes: { latency: LATENCY_MS } });
    await proxy.add({ type: 'limit_data', attributes: { bytes: CUT_AFTER_BYTES } });
    await proxy.add({ type: 'limit_data', stream: 'upstream', toxicity: 0.3, attributes: { bytes: CUT_AFTER_BYTES } });
  });
  afterAll(async () => {
    await stack.remove();
    await toxiproxy.stop();
    await server.stop();
  });

  /** As an agent opens it, but that a fifth of what it asks for fails. */
  function openOverBadLine(): (name: string) => Promise<Repository> {
    const settings = s3Settings(server, bucket, { endpoint });
    const chance = (): number => {
      const drawn = Math.random();
      if (drawn < 0.2) failed += 1;
      return drawn;
    };
    let id: string | undefined;
    return createOpener({
      backend: {
        description: s3Description(settings),
        properties: s3Properties,
        open: async () => faulty(await openS3Repository(settings), { failing: 0.2, chance }),
      },
      answerMs: 60_000,
      check: async () => Promise.resolve(),
      knownId: { read: async () => Promise.resolve(id), keep: async (kept) => Promise.resolve(void (id = kept)) },
      onForeign: () => undefined,
    });
  }

  /** Hardly compressible, so that its piece is sent in parts. */
  async function writeMuch(): Promise<void> {
    await withClient(stack.address, async (client) => {
      await putMachine(client, ORDER_MACHINE);
      for (let serial = 0; serial < 60; serial += 1) {
        const ctxText = JSON.stringify({ filling: randomBytes(300_000).toString('base64') });
        await createInstance(client, { id: `much-${serial}`, machine: 'order', version: 1, ctxText });
      }
    });
  }

  it('takes a backup, an archive and a restore to their end, whole and once', { timeout: TIMEOUT_MS }, async () => {
    await writeMuch();
    const deps = directDeps(stack, openOverBadLine());
    expect(await databaseOwnership(deps, DATABASE)).toEqual({ kind: 'mine' });
    const { label = '' } = await hotBackup({ database: DATABASE }, directEngine({ deps, type: 'hotBackup' }));
    const manifest = await (await deps.openStore(DATABASE)).backups.read(label);
    await expectRestored(manifest);

    const archive = await startArchive(stack, deps);
    await writeOrders(stack.address, 20, 'later');
    await archive.looked();
    await archive.stop();

    const clear = directDeps(stack);
    for (const { segment, path } of (await listSegments(stack.walDir)) ?? []) {
      expect((await archivedBytes(clear, segment)).equals(await readFile(path))).toBe(true);
    }
    await verifyByReplay(stack, manifest);
    await expectNothingHalf(await openS3Repository(s3Settings(server, bucket)));
    expect(failed).toBeGreaterThan(20);
  });

  async function expectRestored(manifest: Manifest): Promise<void> {
    const folder = await mkdtemp(join(tmpdir(), 'rstow-s3-faults-'));
    try {
      const dataDir = join(folder, 'restored');
      const deps = directDeps(stack, openOverBadLine());
      const engine = directEngine({ deps, type: 'restore' });
      const restored = await restore({ database: DATABASE, backup: manifest.label, to: { dataDir } }, engine);
      expect(restored).toMatchObject({ rehearsal: 'passed', warnings: [] });
      await expectSameWal(manifest, stack.walDir, join(dataDir, 'wal'));
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }

  /** The pieces follow one another, the large one was sent in parts, and no upload is left open. */
  async function expectNothingHalf(repository: Repository): Promise<void> {
    const pieces: Piece[] = [];
    let largestBytes = 0;
    for await (const { key, sizeBytes } of repository.list('')) {
      const piece = parsePieceKey(key);
      if (piece !== undefined) pieces.push(piece);
      largestBytes = Math.max(largestBytes, sizeBytes);
    }
    expect(largestBytes).toBeGreaterThan(2 * CUT_AFTER_BYTES);
    for (const [index, piece] of pieces.entries()) {
      const next = pieces[index + 1];
      if (next?.segment === piece.segment) expect(next.startBytes).toBe(piece.endBytes);
    }
    const { Uploads = [] } = await server.client.send(new ListMultipartUploadsCommand({ Bucket: bucket }));
    expect(Uploads).toEqual([]);
  }
});
