/** A repository that somebody else writes to: whatever is put there, moved or taken away is found, or does no harm. */
import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { describeProtection } from '../../src/activities/catalogue/describe-protection.ts';
import { findCandidates } from '../../src/activities/recovery/recovery-candidates.ts';
import { positionKey } from '../../src/core/backup/label.ts';
import { sidecarKey } from '../../src/core/repository/coded-name.ts';
import { factKey, manifestKey, markKey, ownerKey, timelineKey } from '../../src/core/repository/object-keys.ts';
import { pieceKey } from '../../src/core/repository/piece.ts';
import { provedText, streamKey, type StreamPiece } from '../../src/core/repository/stream-piece.ts';
import { signedText } from '../../src/core/repository/signing.ts';
import { segmentFileName } from '../../src/core/wal/wal-offset.ts';
import { agentConfigSchema } from '../../src/config/agent-config.ts';
import { RstowError } from '../../src/core/errors/rstow-error.ts';
import type { Manifest } from '../../src/formats/repository/manifest.ts';
import { zstdCoding } from '../../src/io/coding/zstd.ts';
import { signingBy } from '../../src/io/signing/object-signature.ts';
import { newPrivateKeyText, signingKeyOf } from '../../src/io/signing/ssh-key.ts';
import { positionOf } from '../../src/store/manifests.ts';
import { encodedBytes } from '../../src/store/stored-object.ts';
import { createRepositoryOpener } from '../../src/worker/repositories.ts';
import { pointInTimeRecovery } from '../../src/workflows/point-in-time-recovery.ts';
import { restore } from '../../src/workflows/restore.ts';
import { archiveLog } from '../support/archive-log.ts';
import { endsOf } from '../support/archived-source.ts';
import { DATABASE, type DatabaseStack } from '../support/database-stack.ts';
import { backUp, checkNow, directDeps, directEngine, directRun, verifyByReplay } from '../support/direct-backup.ts';
import { makeOddSource, sourceDigest, writeOrders } from '../support/odd-source.ts';
import { untrustedByShell } from '../support/signature-commands.ts';
import { keepRepositoryFiles, type RepositoryFiles } from '../support/repository-files.ts';

const trusted = signingKeyOf(newPrivateKeyText(), 'trusted.key');
const stranger = signingBy(signingKeyOf(newPrivateKeyText(), 'stranger.key'));

type Content = Record<string, unknown>;

/** The keys of each kind of object: a sibling, and the one that is meddled with. */
type Keys = Record<'manifest' | 'sidecar' | 'piece' | 'owner' | 'timeline' | 'mark', [sibling: string, key: string]>;

let stack: DatabaseStack;
let files: RepositoryFiles;
let keys: Keys;
let backups: [Manifest, Manifest];
/** Of the newest backup, and of what the archive has beyond it. */
let digests: { backup: string; archived: string };
let streamed: StreamPiece;
let passedOver: string[];
let scratch: string;

beforeAll(async () => {
  const signers = { db2: trusted.publicLine };
  stack = await makeOddSource({ repository: { signers }, database: { rehearsal: { policy: 'off' } } });
  await writeOrders(stack.address, 3);
  const first = await backUp(stack, { mark: 'before' });
  await writeOrders(stack.address, 3, 'more');
  const second = await backUp(stack, { mark: 'after' });
  backups = [first, second];
  const store = await directDeps(stack).openStore(DATABASE);
  const { owner } = await store.owner.find();
  // The same owner, once more: a claim has a sibling then.
  await store.owner.claim({ ...owner!, generation: 2 });
  const parent = { timeline: '0001', extents: [] };
  await store.timelines.create({ generation: 2, parent, why: 'restore', runId: 'other', createdAtMs: 1 });
  const backup = await sourceDigest(stack);
  const from = await endsOf(stack);
  await writeOrders(stack.address, 2, 'archived');
  [streamed] = (await archiveLog(store, { timeline: '0001', walDir: stack.walDir, from })()) as [StreamPiece];
  digests = { backup, archived: await sourceDigest(stack) };
  scratch = await mkdtemp(join(tmpdir(), 'rstow-authenticity-'));
  files = await keepRepositoryFiles(stack.repositoryDir, join(scratch, 'kept'));
  keys = keysOf();
});

afterEach(() => files.heal());

afterAll(async () => {
  await stack.remove();
  await rm(scratch, { recursive: true });
});

function keysOf(): Keys {
  const [one, other] = backups[1].segments.flatMap(({ segment, ranges }) =>
    ranges.map((range) => pieceKey(DATABASE, range.timeline, { segment, ...range, suffix: '.zst' })),
  ) as [string, string];
  return {
    manifest: [manifestKey(DATABASE, backups[0].label), manifestKey(DATABASE, backups[1].label)],
    sidecar: [sidecarKey(one), sidecarKey(other)],
    piece: [one, other],
    owner: [ownerKey(DATABASE, 1), ownerKey(DATABASE, 2)],
    timeline: [timelineKey(DATABASE, '0002'), timelineKey(DATABASE, '0001')],
    mark: [markKey(DATABASE, 'before'), markKey(DATABASE, 'after')],
  };
}

/** A directory of its own. */
const elsewhere = async (): Promise<string> => join(await mkdtemp(join(scratch, 'elsewhere-')), 'data');

function depsOf(): ReturnType<typeof directDeps> {
  passedOver = [];
  return directDeps(
    stack,
    createRepositoryOpener(stack.config, ({ key = '' }) => passedOver.push(key)),
  );
}

/** As an agent does it that has just started. */
async function restoreLatest(): Promise<{ stateDigest: string; warnings: { code: string }[] }> {
  const engine = directEngine({ deps: depsOf(), type: 'restore' });
  const { stateDigest = '', warnings } = await restore(
    { database: DATABASE, backup: 'latest', to: { dataDir: await elsewhere() } },
    engine,
  );
  return { stateDigest, warnings };
}

let warned: string[];

async function recover(target: { latest: true } | { name: string }): Promise<string | undefined> {
  const engine = directEngine({ deps: depsOf(), type: 'pointInTimeRecovery' });
  const recovered = await pointInTimeRecovery({ database: DATABASE, target, to: { dataDir: await elsewhere() } }, engine);
  warned = recovered.warnings.map(({ code, message }) => `${code}: ${message}`);
  return recovered.stateDigest;
}

async function failureOf(work: () => Promise<unknown>): Promise<{ code: string; key: unknown }> {
  const failure: unknown = await work().then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!(failure instanceof RstowError)) throw new Error(`it did not fail as expected: ${String(failure)}`);
  return { code: failure.code, key: failure.details['key'] };
}

async function contentOf(key: string): Promise<Content> {
  return (JSON.parse(await readFile(join(stack.repositoryDir, key), 'utf8')) as { content: Content }).content;
}

/** Sealed soundly, and signed by a stranger. */
async function forge(key: string, content: Content): Promise<void> {
  const sha256 = createHash('sha256').update(JSON.stringify(content)).digest('hex');
  await files.replace(key, JSON.stringify({ sha256, signature: stranger.sign(signedText(key, sha256)), content }));
}

type Way = (key: string, sibling: string) => Promise<void>;

const damaging: Record<string, Way> = {
  'a flipped bit': (key) => files.flipBit(key),
  'an end that is cut off': (key) => files.truncate(key, 0.5),
  'an older one in its place': (key, sibling) => files.copy(sibling, key),
  'a sibling in its place, and the other way round': (key, sibling) => files.swap(sibling, key),
};

const forging: Record<string, Way> = {
  'other content, sealed anew': (key) => files.reseal(key, (content) => ({ ...content, runId: 'another' })),
  'other content, signed by a stranger': async (key) => forge(key, { ...(await contentOf(key)), runId: 'another' }),
  'its own content, signed by a stranger': async (key) => forge(key, await contentOf(key)),
};

const BAD = expect.stringMatching(/^(damaged|truncated|untrusted)-object$/) as string;

it('gives the right bytes as long as nobody meddles, and shell commands find every signature good', async () => {
  expect(await restoreLatest()).toEqual({ stateDigest: digests.backup, warnings: [] });
  expect(await recover({ latest: true })).toBe(digests.archived);
  expect(warned).toEqual([]);
  const own = signingKeyOf(await readFile(join(stack.config.agent.stateDir, 'signing.key'), 'utf8'), 'signing.key');
  expect(await untrustedByShell(stack.repositoryDir, [trusted.publicLine, own.publicLine])).toEqual([]);
  expect(await untrustedByShell(stack.repositoryDir, [trusted.publicLine])).toContain(keys.manifest[1]);
});

describe.each(Object.entries({ ...damaging, ...forging }))('%s', (_what, meddle) => {
  it.each(['manifest', 'owner', 'timeline'] as const)('of a %s is found and named by a restore', async (kind) => {
    const [sibling, key] = keys[kind];
    await meddle(key, sibling);
    expect(await failureOf(restoreLatest)).toEqual({ code: BAD, key });
  });

  it('of a mark is found and named by a recovery to it', async () => {
    const [sibling, key] = keys.mark;
    await meddle(key, sibling);
    expect(await failureOf(() => recover({ name: 'after' }))).toEqual({ code: BAD, key });
  });

  it('of a sidecar keeps no restore from the right bytes, and a verification makes it anew from what the backup names', async () => {
    const [sibling, key] = keys.sidecar;
    await meddle(key, sibling);
    expect(await restoreLatest()).toEqual({ stateDigest: digests.backup, warnings: [] });
    expect((await verifyByReplay(stack, backups[1])).warnings).toContainEqual(expect.objectContaining({ code: 'sidecar-remade' }));
    expect((await verifyByReplay(stack, backups[1])).warnings).toEqual([]);
  });
});

it.each(Object.entries(damaging))('%s of a piece is found and named by verification and restore', async (_what, meddle) => {
  const [sibling, key] = keys.piece;
  await meddle(key, sibling);
  const found = { code: BAD, key: expect.stringMatching(new RegExp(`^(${sibling}|${key})$`)) as string };
  expect(await failureOf(() => verifyByReplay(stack, backups[1]))).toEqual(found);
  expect(await failureOf(restoreLatest)).toEqual(found);
});

it('finds a manifest whose ranges were put in another order', async () => {
  const [, key] = keys.manifest;
  await files.reseal(key, (content) => {
    const [segment] = content['segments'] as { ranges: object[] }[];
    return { ...content, segments: [{ ...segment, ranges: segment!.ranges.toReversed() }] };
  });
  expect(await failureOf(restoreLatest)).toEqual({ code: 'untrusted-object', key });
});

describe('what is taken away', () => {
  it('is found if it is a piece', async () => {
    await files.remove(keys.piece[1]);
    expect(await failureOf(restoreLatest)).toEqual({ code: 'missing-object', key: keys.piece[1] });
  });

  it('is made anew if it is a sidecar', async () => {
    await files.remove(keys.sidecar[1]);
    expect((await verifyByReplay(stack, backups[1])).stateDigest).toBe(digests.backup);
  });

  it('brings no former owner back', async () => {
    await files.remove(keys.owner[1]);
    const { owner } = await depsOf().catalogueOf(DATABASE).owner.find();
    expect(owner?.generation).toBe(2);
  });

  it('is found if it is the newest backup, by the check and by a restore of the latest one', async () => {
    await files.remove(keys.manifest[1]);
    await files.remove(positionKey(DATABASE, positionOf(backups[1])));
    const { stateDigest, warnings } = await restoreLatest();
    expect(stateDigest).toBe(backups[0].stateDigest);
    expect(warnings).toMatchObject([{ code: 'repository-rolled-back' }]);
    expect((await checkNow(stack)).findings).toContainEqual(expect.objectContaining({ code: 'repository-rolled-back' }));
  });
});

describe('what nobody has asked for', () => {
  it.each(['owner', 'timeline'] as const)('is refused if it is an %s', async (kind) => {
    const key = kind === 'owner' ? ownerKey(DATABASE, 99) : timelineKey(DATABASE, '0099');
    const content = await contentOf(keys[kind][1]);
    await forge(key, kind === 'owner' ? { ...content, generation: 99, installationId: 'forger' } : { ...content, timeline: '0099' });
    expect(await failureOf(restoreLatest)).toEqual({ code: 'untrusted-object', key });
  });

  it('makes no older backup the newest by a name', async () => {
    const newer = { ...positionOf(backups[0]), end: positionOf(backups[1]).end, writtenAtMs: backups[1].writtenAtMs + 1 };
    await files.replace(positionKey(DATABASE, newer), '{}');
    expect((await restoreLatest()).stateDigest).toBe(digests.backup);
    // Also if its own place is gone: then a recovery leaves it out.
    await files.remove(positionKey(DATABASE, positionOf(backups[0])));
    const { usable, skipped } = await directRun(depsOf())(findCandidates, { database: DATABASE });
    expect(usable.map(({ label }) => label)).not.toContain(backups[0].label);
    expect(usable[0]?.label).toBe(backups[1].label);
    expect(skipped).toMatchObject([{ label: backups[0].label, code: 'untrusted-object' }]);
    expect((await restoreLatest()).stateDigest).toBe(digests.backup);
  });

  it('verifies no backup by a name', async () => {
    const name = { kind: 'verification' as const, label: backups[1].label, level: 'replay' as const, outcome: 'held' as const };
    await files.replace(factKey(DATABASE, { ...name, atMs: Date.now(), runId: 'forger' }), '{}');
    expect((await directRun(depsOf())(describeProtection, { database: DATABASE })).lastVerified).toBeNull();
  });

  it('is passed over and named if it is a record behind the archive’s', async () => {
    const { segment, endBytes, startBytes } = streamed;
    // Real records, which would fit there.
    const bytes = (await readFile(join(stack.walDir, segmentFileName(segment)))).subarray(startBytes, endBytes);
    const range = { segment, startBytes: endBytes, endBytes: endBytes + bytes.length, sinceMs: 1, seenMs: Date.now() };
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    const stated = provedText(DATABASE, { ...range, timeline: '0001' }, sha256);
    for (const proof of [undefined, { sha256, signature: stranger.signInName(stated) }]) {
      await files.heal();
      const key = streamKey(DATABASE, '0001', { ...range, proof, suffix: '.zst' });
      await files.replace(key, await encodedBytes(zstdCoding, [bytes]));
      expect(await recover({ latest: true })).toBe(digests.archived);
      expect(passedOver).toContain(key);
      expect(warned).toEqual([`untrusted-object: what no listed key has signed was passed over: ${key}`]);
    }
    // Whoever asks for no signatures takes it.
    await files.replace(streamKey(DATABASE, '0001', { ...range, suffix: '.zst' }), await encodedBytes(zstdCoding, [bytes]));
    const local = { kind: 'folder', path: stack.repositoryDir };
    const unsuspecting = agentConfigSchema.parse({ ...stack.plain, repositories: { local } });
    const store = await directDeps({ ...stack, config: unsuspecting }).openStore(DATABASE);
    expect((await store.stream.ofTimeline('0001')).length).toBeGreaterThan(1);
  });

  it('ends the archive’s log if other bytes lie under a name that was signed', async () => {
    await files.replace(streamed.key, await encodedBytes(zstdCoding, [Buffer.alloc(streamed.endBytes - streamed.startBytes)]));
    expect(await recover({ latest: true })).toBe(digests.backup);
    expect(warned).toMatchObject([expect.stringContaining(`before an object that can't be used: ${streamed.key}`)]);
  });
});
