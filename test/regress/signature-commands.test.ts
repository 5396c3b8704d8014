/** The commands of docs/repository-format.md that check signatures are run on a repository as an agent leaves it. */
import { mkdtemp, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeSegmentId } from '../../src/core/wal/wal-offset.ts';
import { markKey, ownerKey } from '../../src/core/repository/object-keys.ts';
import { markSchema, ownerSchema } from '../../src/formats/repository/history.ts';
import { openFolderRepository } from '../../src/io/repository/folder.ts';
import { putSealed } from '../../src/io/repository/sealed-object.ts';
import { signingBy } from '../../src/io/signing/object-signature.ts';
import { newPrivateKeyText, signingKeyOf, type SigningKey } from '../../src/io/signing/ssh-key.ts';
import { streamOf } from '../../src/store/stream.ts';
import { zstdCoding } from '../../src/io/coding/zstd.ts';
import { untrustedByShell } from '../support/signature-commands.ts';

const own = signingKeyOf(newPrivateKeyText(), 'own.key');
const foreign = signingKeyOf(newPrivateKeyText(), 'foreign.key');

let root: string;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'rstow-signatures-'));
});

afterAll(async () => {
  await rm(root, { recursive: true });
});

test('the commands of the page name what is unsigned, foreign, or of another name, and nothing else', async () => {
  const [owner, mark, forged] = [ownerKey('orders', 1), markKey('orders', 'before-release'), markKey('orders', 'forged')];
  await putOwner(owner, own);
  await putMark(mark, own);
  await putStream(0, own);
  expect(await untrustedByShell(root, [own.publicLine])).toEqual([]);
  await putMark(forged, foreign);
  await rename(join(root, mark), join(root, markKey('orders', 'moved')));
  await putOwner(ownerKey('orders', 2), undefined);
  const streamed = await putStream(3, foreign);
  const other = await putStream(6, own);
  const moved = other.replace('0000000006-0000000009', '0000000009-000000000c');
  await rename(join(root, other), join(root, moved));
  expect(await untrustedByShell(root, [own.publicLine])).toEqual([
    forged,
    markKey('orders', 'moved'),
    ownerKey('orders', 2),
    streamed,
    moved,
  ]);
});

async function putOwner(key: string, by: SigningKey | undefined): Promise<void> {
  const repository = { ...(await openFolderRepository(root)), signing: by && signingBy(by) };
  const temporal = { clusterId: 'c', namespace: 'default' };
  const value = { format: 1 as const, generation: 1, agent: 'db1', installationId: 'one', temporal, timeline: '0001', claimedAtMs: 7 };
  await putSealed(repository, key, { schema: ownerSchema, value });
}

async function putMark(key: string, by: SigningKey): Promise<void> {
  const repository = { ...(await openFolderRepository(root)), signing: signingBy(by) };
  const value = { format: 1 as const, name: 'before-release', timeline: '0001', label: '20261129T101500Z-hot', runId: 'r', atMs: 7 };
  await putSealed(repository, key, { schema: markSchema, value });
}

async function putStream(startBytes: number, by: SigningKey): Promise<string> {
  const repository = { ...(await openFolderRepository(root)), signing: signingBy(by) };
  const stream = streamOf({ repository, database: 'orders', coding: zstdCoding, timelines: async () => Promise.resolve(new Map()) });
  const range = { segment: makeSegmentId(1)!, startBytes, endBytes: startBytes + 3 };
  return (await stream.put('0001', { ...range, sinceMs: 0, seenMs: 1 }, [Buffer.from('abc')])).key;
}
