/** A host that encrypts for keys that it doesn't have: it backs up and archives for days, restores nothing, and says so at once. */
import { randomUUID } from 'node:crypto';
import { readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { EventFact } from '../../src/activities/activity-deps.ts';
import { describeHistory } from '../../src/activities/catalogue/describe-history.ts';
import { verifyStoredBackup } from '../../src/activities/verify/verify-backup.ts';
import { sidecarKey } from '../../src/core/repository/coded-name.ts';
import { rangePath } from '../../src/core/repository/piece.ts';
import { makeSegmentId, segmentFileName } from '../../src/core/wal/wal-offset.ts';
import type { SourceNote } from '../../src/formats/agent-state.ts';
import { archivePinFolder } from '../../src/io/data-directory/pins.ts';
import { readTimelineFile } from '../../src/io/data-directory/rstow-folder.ts';
import { extractInstance } from '../../src/local/read-history.ts';
import { DATABASE, type DatabaseStack } from '../support/database-stack.ts';
import { archivedBytes, startArchive } from '../support/direct-archive.ts';
import {
  backUp,
  bringBack,
  directDeps,
  directRun,
  exportFile,
  recoverElsewhere,
  restoreElsewhere,
  restoreInPlace,
  testRecoveryNow,
  verifyByReplay,
} from '../support/direct-backup.ts';
import { recoverOnto } from '../support/direct-recovery.ts';
import { encryptedBy, newAgeKey, newGpgHomes, secretFolder } from '../support/encryption-keys.ts';
import { folderHashes } from '../support/folder-hash.ts';
import { expectSound, oddSource, scratchFolder, sourceDigest, withClient, writeLarge, writeOrders } from '../support/odd-source.ts';
import { makeStandbyHost } from '../support/standby-host.ts';
import { lackOf } from '../support/tools.ts';
import { waitUntil } from '../support/wait-until.ts';

const QUICK_ARCHIVE = { enabled: true, intervalMs: 50, tidyMs: 100, keptMs: 1_000 };
const FIRST = makeSegmentId(1)!;

/** So long a refusal may take on a busy machine: no plan has fetched anything by then. */
const AT_ONCE_MS = 10_000;

/** How a host with the keys and one without have the same repository in their config. */
type Keys = { keyed: object; blind: object; recipient: string; key: string };

async function withAge(): Promise<Keys> {
  const { recipient, file } = await newAgeKey(await secretFolder());
  const blind = { kind: 'age', recipients: [recipient] };
  return { blind, keyed: { ...blind, identityFiles: [file] }, recipient, key: 'identityFiles' };
}

async function withGpg(): Promise<Keys> {
  const { fingerprint, home, publicHome } = await newGpgHomes(await secretFolder());
  const gpg = { kind: 'gpg', recipients: [fingerprint] };
  return { blind: { ...gpg, home: publicHome }, keyed: { ...gpg, home }, recipient: fingerprint, key: 'home' };
}

const verifyChecksums = (stack: DatabaseStack, label: string): Promise<unknown> =>
  directRun(directDeps(stack))(verifyStoredBackup, { database: DATABASE, repository: 'local', label, level: 'checksums' });

/** Backs up and archives several segments, merges and packs among them, and gives the last backup. */
async function liveWithoutKeys(stack: DatabaseStack): Promise<string> {
  const archive = await startArchive(stack);
  onTestFinished(() => archive.stop());
  await writeOrders(stack.address, 10, 'first');
  await archive.looked();
  const backup = await backUp(stack);
  for (const prefix of ['second', 'third', 'fourth']) {
    await writeOrders(stack.address, 10, prefix);
    await archive.looked();
  }
  await withClient(stack.address, writeLarge);
  const store = await archive.deps.openStore(DATABASE);
  const isTidy = async (): Promise<boolean> => (await store.stream.of('0001')).every(({ segment }) => segment !== FIRST);
  await waitUntil('the first segment is packed, and its small objects are gone', isTidy);
  expect(backup).toMatchObject({ restorable: 'from-log', warnings: [] });
  const later = await backUp(stack);
  expect(later).toMatchObject({ restorable: 'from-log', warnings: [] });
  await archive.stop();
  await writeOrders(stack.address, 10, 'fifth');
  return (await backUp(stack)).label;
}

describe.each([
  { name: 'age', make: withAge, isPossible: true },
  { name: `gpg${lackOf('gpg')}`, make: withGpg, isPossible: lackOf('gpg') === '' },
])('a host without keys of $name', ({ make, isPossible }) => {
  it.skipIf(!isPossible)(
    'backs up, archives and verifies checksums; refuses all that reads, at once and untouched; a host with the key restores',
    async () => {
      const { keyed, blind, recipient, key } = await make();
      const stack = await oddSource({ segmentSizeMb: 1, repository: { encryption: blind }, database: { archive: QUICK_ARCHIVE } });
      const label = await liveWithoutKeys(stack);
      const digest = await sourceDigest(stack);
      await verifyChecksums(stack, label);
      await describeHistory(await directDeps(stack).openStore(DATABASE));

      const dataBefore = await folderHashes(stack.dataDir);
      const target = { latest: true as const };
      const scratch = await scratchFolder();
      const place = join(scratch, 'place');
      const refusals: [string, () => Promise<unknown>][] = [
        ['restore elsewhere', () => restoreElsewhere(stack, label, place)],
        ['restore in place', () => restoreInPlace(stack, label)],
        ['point in time', () => recoverElsewhere(stack, { target }, place)],
        [
          'point before an instance',
          () => recoverElsewhere(stack, { target: { before: { instance: 'third-1', record: 'create' } } }, place),
        ],
        ['recovery test', () => testRecoveryNow(stack)],
        ['verify by replay', async () => verifyByReplay(stack, await readManifest(stack, label))],
        ['export', () => exportFile(stack, label, join(stack.folder, 'archive.tar.gz'))],
        ['instance brought back', () => bringBack(stack, { instance: 'first-0', target })],
        ['extract', () => extractInstance({ configFile: stack.configFile, database: DATABASE, instance: 'first-0', target })],
      ];
      for (const [name, refused] of refusals) {
        const startedAtMs = performance.now();
        await expect(refused(), name).rejects.toMatchObject({
          code: 'wrong-key',
          message: expect.stringMatching(new RegExp(`${recipient}.*repositories\\.local\\.encryption\\.${key}`)) as string,
        });
        const tookMs = performance.now() - startedAtMs;
        expect(tookMs, name).toBeLessThan(AT_ONCE_MS);
      }
      expect(await folderHashes(stack.dataDir)).toEqual(dataBefore);
      expect(await sourceDigest(stack)).toBe(digest);

      const host = await encryptedBy(stack, keyed);
      await verifyByReplay(host, await readManifest(host, label));
      await restoreElsewhere(host, label, place);
      expect(await expectSound(stack, place)).toBe(digest);
    },
  );
});

async function readManifest(stack: DatabaseStack, label: string) {
  return (await directDeps(stack).openStore(DATABASE)).backups.read(label);
}

describe('a host without keys', () => {
  it('recovers no database onto a standby, and says so before anything is prepared', async () => {
    const { blind, recipient } = await withAge();
    const stack = await oddSource({ repository: { encryption: blind } });
    await writeOrders(stack.address, 4);
    await backUp(stack);
    await stack.service.stop();
    const host = await makeStandbyHost(stack);
    onTestFinished(() => host.remove());
    await expect(recoverOnto(host)).rejects.toMatchObject({ code: 'wrong-key', message: expect.stringContaining(recipient) as string });
    expect(await readdir(host.dataDir).catch(() => [])).toEqual([]);
  });

  it('stores once more what somebody has stored and left without its sidecar', async () => {
    const { blind, keyed } = await withAge();
    const stack = await oddSource({ segmentSizeMb: 1, repository: { encryption: blind } });
    await withClient(stack.address, writeLarge);
    const first = await backUp(stack);
    const store = await directDeps(stack).openStore(DATABASE);
    const [piece] = await store.pieces.of('0001');
    expect(piece?.segment).toBe(FIRST);
    await rm(join(stack.repositoryDir, sidecarKey(piece!.key)));
    // Neither named by a backup nor by a sidecar, as a run that was killed leaves it.
    await rm(join(stack.repositoryDir, `databases/${DATABASE}/backups/${first.label}`), { recursive: true });
    await rm(join(stack.repositoryDir, `databases/${DATABASE}/index`), { recursive: true });
    const again = await backUp(stack);
    expect(again).toMatchObject({ restorable: 'from-log', warnings: [{ code: 'repository-rolled-back' }, { code: 'stored-again' }] });
    expect(await readdir(join(stack.repositoryDir, 'trash'), { recursive: true })).toContainEqual(
      expect.stringContaining(rangePath(piece!)),
    );
    const host = await encryptedBy(stack, keyed);
    expect(await verifyByReplay(host, again)).toMatchObject({ stateDigest: again.stateDigest });
  });

  it('leaves small objects of a segment that has no file any more as they are, says so once, and archives on', async () => {
    const { blind } = await withAge();
    const stack = await oddSource({
      segmentSizeMb: 1,
      repository: { encryption: blind },
      database: { archive: { ...QUICK_ARCHIVE, tidyMs: 3_600_000 } },
    });
    const archive = await startArchive(stack);
    for (const prefix of ['one', 'two', 'three', 'four']) {
      await writeOrders(stack.address, 4, prefix);
      await archive.looked();
    }
    await withClient(stack.address, writeLarge);
    await archive.looked();
    await archive.stop();
    for (const folder of [stack.walDir, archivePinFolder(stack.dataDir, '0001')])
      await rm(join(folder, segmentFileName(FIRST)), { force: true });
    const tidying = await encryptedBy({ ...stack, plain: withTidying(stack) }, blind);
    const facts: EventFact[] = [];
    const following = await startArchive(tidying, { ...directDeps(tidying), events: { record: (fact) => void facts.push(fact) } });
    onTestFinished(() => following.stop());
    await waitUntil('the archive says so', () => facts.some(({ kind }) => kind === 'archive-locked'));
    await writeOrders(stack.address, 4, 'after');
    await following.looked();
    await following.looked();
    expect(facts.filter(({ kind }) => kind === 'archive-locked')).toMatchObject([{ code: 'wrong-key', database: DATABASE }]);
    const store = await following.deps.openStore(DATABASE);
    expect((await store.stream.of('0001')).filter(({ segment }) => segment === FIRST).length).toBeGreaterThan(3);
  });

  it('goes on as a new timeline after a crash that has taken archived records, by what names and sidecars say', async () => {
    const { blind, keyed } = await withAge();
    const stack = await oddSource({ repository: { encryption: blind }, database: { archive: { ...QUICK_ARCHIVE, tidyMs: 3_600_000 } } });
    const path = join(stack.walDir, segmentFileName(FIRST));
    await writeOrders(stack.address, 10, 'stored');
    await backUp(stack);
    const archive = await startArchive(stack);
    await writeOrders(stack.address, 4, 'kept');
    await archive.looked();
    const { size: keptBytes } = await stat(path);
    await writeOrders(stack.address, 4, 'lost');
    await archive.looked();
    await archive.stop();
    await stack.service.stop();
    await truncate(path, keptBytes);
    const note = join(stack.config.agent.stateDir, DATABASE, 'source', 'local.json');
    await writeFile(note, JSON.stringify({ ...(JSON.parse(await readFile(note, 'utf8')) as SourceNote), bootId: randomUUID() }));
    await stack.startServer();
    const facts: EventFact[] = [];
    const following = await startArchive(stack, { ...directDeps(stack), events: { record: (fact) => void facts.push(fact) } });
    onTestFinished(() => following.stop());
    await following.looked();
    expect((await readTimelineFile(stack.walDir))?.timeline).toBe('0002');
    await writeOrders(stack.address, 8, 'after');
    expect(facts).toContainEqual(expect.objectContaining({ kind: 'crash-fork', from: '0001', timeline: '0002' }));
    const host = await encryptedBy(stack, keyed);
    const isWhole = async (): Promise<boolean> => (await archivedBytes(directDeps(host), FIRST, '0002')).equals(await readFile(path));
    await waitUntil('timeline 0002 has the whole log', isWhole);
    await following.stop();
    const backup = await backUp(stack);
    expect(backup).toMatchObject({ timeline: '0002', restorable: 'from-log' });
    await verifyByReplay(host, backup);
  });
});

function withTidying({ plain }: DatabaseStack): DatabaseStack['plain'] {
  return { ...plain, databases: { [DATABASE]: { ...plain.databases[DATABASE], archive: QUICK_ARCHIVE } } };
}
