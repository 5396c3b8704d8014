import { PassThrough, Readable, type Transform } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { isObjectDamage } from '../core/errors/error-table.ts';
import { RstowError } from '../core/errors/rstow-error.ts';
import { KEY_SETS_PREFIX, keySetOf, keySetOfDescription, sidecarKey, suffixOf } from '../core/repository/coded-name.ts';
import { backupsPrefix } from '../core/repository/object-keys.ts';
import { parsePieceKey, walPrefix } from '../core/repository/piece.ts';
import { parseStreamKey, streamsPrefix } from '../core/repository/stream-piece.ts';
import { formsOf, type OutdatedObject, outdatedForms, type StoredForm, type StoredForms } from '../core/repository/stored-forms.ts';
import { type CodedSidecar, codedSidecarSchema } from '../formats/repository/piece.ts';
import type { RotatedObjects } from '../formats/repository/plans.ts';
import { createDigestStage, createSha256, type StreamDigest } from '../io/checksum/checksum.ts';
import type { Coding } from '../io/coding/port.ts';
import type { Repository } from '../io/repository/port.ts';
import { putSealed, readOwn, readSealed } from '../io/repository/sealed-object.ts';
import { isThere, makeRoom } from './facts.ts';
import { encodedBytes, plainBytes } from './stored-object.ts';

/** Objects under other keys than those of today, and how they get under these. */
export type Rotation = {
  /** How the names of objects end that are stored now. */
  readonly suffix: string;
  /** Objects that it is worth to store side by side. */
  readonly width: number;
  /** What is not stored as all is now, in the order of the keys, the database's trash last. */
  outdated(): AsyncGenerator<OutdatedObject>;
  /** The first of them, or the first behind what another batch gave as its `next`: about so many. */
  batch(from: { after?: string | undefined; objectsMax: number }): Promise<{ objects: OutdatedObject[]; next: string | undefined }>;
  /** Whether this host can open what it stores now. Writes nothing but what its key set is. Fails: wrong-key. */
  requireOwnKeys(): Promise<void>;
  /** Whether this host has keys for that object: reads its beginning. Fails: wrong-key, missing-object, damaged-object. */
  requireKeysOf(key: string): Promise<void>;
  /**
   * Stores the object anew, reads that back, and compares; then its sidecar follows, if it had one. Undefined if somebody has deleted the
   * object meanwhile. Twice: what is stored is proved once more.
   * Fails: damaged-object, truncated-object, wrong-key, repository-unavailable, not-enough-space.
   */
  renew(object: OutdatedObject, run: Renewing): Promise<Renewed | undefined>;
  /** Deletes those whose new form is listed as it was proved; gives how many are gone. Twice: no-op. */
  retire(renewed: readonly Renewed[], signal: AbortSignal): Promise<number>;
  /** Removes what says of key sets what they are, if nothing in the repository lies under them any more; gives their names. Twice: no-op. */
  removeKeySets(signal: AbortSignal): Promise<string[]>;
};

/** `runId`: for what it puts aside. */
type Renewing = { runId: string; signal: AbortSignal };

/** An object whose new form was proved to hold the same bytes; or one that is gone, of which a sidecar is left. */
export type Renewed = RotatedObjects['renewed'][number];

type Scope = { repository: Repository; database: string; coding: Coding };

/** Each object in flight has a compressor, and with GPG a process of its own. */
const WIDTH_MAX = 4;

export function rotationOf(scope: Scope): Rotation {
  const { repository, coding } = scope;
  return {
    suffix: coding.suffix,
    width: Math.min(WIDTH_MAX, repository.properties.connections),
    outdated: async function* () {
      for await (const forms of allForms(scope)) yield* outdatedForms(forms, coding.suffix);
    },
    batch: (from) => batch(scope, from),
    requireOwnKeys: () => requireOwnKeys(scope),
    requireKeysOf: (key) => requireKeysOf(scope, key),
    renew: (object, run) => renew(scope, object, run),
    retire: (renewed, signal) => retire(scope, renewed, signal),
    removeKeySets: (signal) => removeKeySets(scope, signal),
  };
}

/** Folders whose objects are coded, in the order of their names. */
const codedPrefixes = (database: string): string[] => [backupsPrefix(database), streamsPrefix(database), walPrefix(database), 'trash/'];

async function* allForms({ repository, database }: Scope, after?: string): AsyncGenerator<StoredForms> {
  for (const prefix of codedPrefixes(database)) {
    const listed = repository.list(prefix, { startAfter: after });
    for await (const forms of formsOf(listed)) if (forms.stem.includes(`databases/${database}/`)) yield forms;
  }
}

/** All forms of an object are in one batch: what is left of one is known by the others. */
async function batch(
  scope: Scope,
  { after, objectsMax }: { after?: string | undefined; objectsMax: number },
): Promise<{ objects: OutdatedObject[]; next: string | undefined }> {
  const objects: OutdatedObject[] = [];
  for await (const forms of allForms(scope, after)) {
    objects.push(...outdatedForms(forms, scope.coding.suffix));
    if (objects.length >= objectsMax) return { objects, next: `${forms.stem}${BEHIND_ALL_SUFFIXES}` };
  }
  return { objects, next: undefined };
}

/** No key has the last of these characters. */
const BEHIND_ALL_SUFFIXES = '.zst~';

const PROBE = Buffer.from('opened with the keys that it was stored under');

async function requireOwnKeys({ coding }: Scope): Promise<void> {
  const key = `probe${coding.suffix}`;
  if (keySetOf(key) === undefined) return;
  const stored = await encodedBytes(coding, [PROBE]);
  const plain = new PassThrough();
  try {
    const stages = [Readable.from([stored]), ...coding.decode(key, PROBE.length), plain];
    const [opened] = await Promise.all([buffer(plain), pipeline(stages)]);
    if (opened.equals(PROBE)) return;
  } catch (error) {
    throw coding.errorOf(error, key);
  }
  throw new RstowError('wrong-key', `${coding.suffix} does not open as it was stored`);
}

async function requireKeysOf({ repository, coding }: Scope, key: string): Promise<void> {
  const reading = plainBytes({ repository, coding, key, signal: new AbortController().signal });
  for await (const _chunk of reading) return;
}

async function renew(scope: Scope, object: OutdatedObject, run: Renewing): Promise<Renewed | undefined> {
  const { repository } = scope;
  const { key, renewedKey, isGone } = object;
  if (isGone) return { key, renewedKey, storedBytes: 0, isGone };
  try {
    const sidecar = await readSealed(repository, sidecarKey(key), codedSidecarSchema);
    const stored = await storeAndProve(scope, { ...object, sidecar }, run);
    if (sidecar !== undefined) await putSidecar(repository, renewedKey, { sidecar, stored });
    return { key, renewedKey, storedBytes: stored.sizeBytes, isGone };
  } catch (error) {
    if (error instanceof RstowError && error.code === 'missing-object' && !(await isThere(repository, key))) return undefined;
    throw error;
  }
}

type Known = OutdatedObject & { sidecar: CodedSidecar | undefined };

/** Gives what is stored under the new key. A new form that can't be read goes aside, for readers prefer it to the old one. */
async function storeAndProve(scope: Scope, object: Known, run: Renewing): Promise<StreamDigest> {
  const { key, renewedKey, sidecar, isRenewed } = object;
  const read = { key, sidecar, signal: run.signal };
  const sha256 = isRenewed ? (sidecar ?? (await plainDigest(scope, read))).sha256 : (await storeAnew(scope, read, renewedKey)).sha256;
  if (sidecar !== undefined && sidecar.sha256 !== sha256) throw otherBytes(key, 'its sidecar says');
  try {
    return await prove(scope, { key: renewedKey, signal: run.signal }, sha256);
  } catch (error) {
    if (!(error instanceof RstowError) || !isObjectDamage(error.code) || error.details['isWhole'] === true) throw error;
    for (const each of [renewedKey, sidecarKey(renewedKey)]) await makeRoom(scope.repository, each, run.runId);
    if (!isRenewed) throw error;
    return storeAndProve(scope, { ...object, isRenewed: false }, run);
  }
}

type Reading = { key: string; signal: AbortSignal; sidecar?: CodedSidecar | undefined };

/** The plain bytes go from one key to the other, and never to a disk. Gives what they were. */
async function storeAnew(scope: Scope, reading: Reading, renewedKey: string): Promise<StreamDigest> {
  const { repository, coding } = scope;
  const sizeBytes = plainSizeOf(reading);
  const staged = await repository.stage(renewedKey);
  try {
    const plain = createDigestStage();
    const source = Readable.from(plainBytes({ repository, coding, ...reading, expectedSizeBytes: sizeBytes }));
    await pipeline([source, plain.stream, ...coding.encode(sizeBytes), staged.sink], { signal: reading.signal });
    await staged.commit(renewedKey);
    return plain.result();
  } finally {
    await staged.discard();
  }
}

/** Undefined where nobody can say: then it is handled as a large one. */
function plainSizeOf({ key, sidecar }: Reading): number | undefined {
  const range = parsePieceKey(key) ?? parseStreamKey(key);
  return range === undefined ? sidecar?.sizeBytes : range.endBytes - range.startBytes;
}

/** Reads the new form back from the repository, with the keys of today. Gives what is stored. Fails: damaged-object, if it holds other bytes. */
async function prove(scope: Scope, reading: Reading, sha256: string): Promise<StreamDigest> {
  const stored = createDigestStage();
  const proved = await plainDigest(scope, reading, stored.stream);
  if (proved.sha256 !== sha256) throw otherBytes(reading.key, 'the object that it was made of');
  return stored.result();
}

async function plainDigest({ repository, coding }: Scope, { key, signal }: Reading, storedStage?: Transform): Promise<StreamDigest> {
  const hash = createSha256();
  let sizeBytes = 0;
  for await (const chunk of plainBytes({ repository, coding, key, signal, storedStage })) {
    hash.update(chunk);
    sizeBytes += chunk.length;
  }
  return { sizeBytes, sha256: hash.digestHex() };
}

/** It says of the new form what was read of that. Another writer may have stored the same bytes there: its own says the same. */
async function putSidecar(
  repository: Repository,
  renewedKey: string,
  { sidecar, stored }: { sidecar: CodedSidecar; stored: StreamDigest },
): Promise<void> {
  const key = sidecarKey(renewedKey);
  const value = { ...sidecar, storedBytes: stored.sizeBytes, storedSha256: stored.sha256 };
  if ((await putSealed(repository, key, { schema: codedSidecarSchema, value })) === 'stored') return;
  const there = await readOwn(repository, key, codedSidecarSchema);
  if (there.sha256 !== value.sha256 || there.storedSha256 !== value.storedSha256) throw otherBytes(renewedKey, 'its sidecar says');
}

async function retire(scope: Scope, renewed: readonly Renewed[], signal: AbortSignal): Promise<number> {
  const proved = new Map(renewed.map((each) => [each.key, each]));
  const keys = renewed.map(({ key }) => key).sort();
  const [first, last] = [keys[0], keys.at(-1)];
  if (first === undefined || last === undefined) return 0;
  const gone: string[] = [];
  for await (const forms of allForms(scope, stemOf(first))) {
    if (forms.stem > last) break;
    for (const form of forms.forms) {
      const one = proved.get(form.key);
      if (one !== undefined && mayGo(form, one, forms)) gone.push(...keysOf(form));
    }
  }
  await scope.repository.deleteMany(gone, { signal });
  return gone.length;
}

/** What is in its place now is what was proved, and as complete. */
function mayGo(form: StoredForm, { renewedKey, storedBytes, isGone }: Renewed, { forms }: StoredForms): boolean {
  const renewed = forms.find(({ key }) => key === renewedKey);
  if (renewed?.object === undefined) return false;
  if (isGone) return form.object === undefined;
  return renewed.object.sizeBytes === storedBytes && (renewed.hasSidecar || !form.hasSidecar);
}

const keysOf = ({ key, object, hasSidecar }: StoredForm): string[] => [
  ...(object === undefined ? [] : [key]),
  ...(hasSidecar ? [sidecarKey(key)] : []),
];

/** Every form of that object sorts behind it. */
const stemOf = (key: string): string => key.slice(0, key.length - (suffixOf(key) ?? '').length);

/** Those that other databases use stay, and that under which things are stored now. */
async function removeKeySets({ repository, coding }: Scope, signal: AbortSignal): Promise<string[]> {
  const unused = new Map<string, string>();
  for await (const key of repository.keys(KEY_SETS_PREFIX, { signal })) {
    const keySet = keySetOfDescription(key);
    if (keySet !== undefined && keySet !== keySetOf(coding.suffix)?.keySet) unused.set(keySet, key);
  }
  for (const prefix of ['databases/', 'trash/']) {
    if (unused.size === 0) break;
    for await (const key of repository.keys(prefix, { signal })) unused.delete(keySetOf(key)?.keySet ?? '');
  }
  await repository.deleteMany([...unused.values()], { signal });
  return [...unused.keys()];
}

function otherBytes(key: string, than: string): RstowError {
  return new RstowError('damaged-object', `${key} holds other bytes than ${than}`, { details: { key, isWhole: true } });
}
