/** A repository full of objects under old keys, whose rotation is killed again and again. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { generateX25519Identity, identityToRecipient } from 'age-encryption';
import { stringify } from 'yaml';
import { storeBytes } from '../../src/activities/backup/piece-store.ts';
import type { RotateKeysResult } from '../../src/contract/rotate-keys.ts';
import { suffixOf } from '../../src/core/repository/coded-name.ts';
import { codedSidecarSchema } from '../../src/formats/repository/piece.ts';
import { makeSegmentId } from '../../src/core/wal/wal-offset.ts';
import { sha256Hex } from '../../src/io/checksum/checksum.ts';
import { keySetOfRecipients } from '../../src/io/coding/key-sets.ts';
import type { Coding } from '../../src/io/coding/port.ts';
import type { Repository } from '../../src/io/repository/port.ts';
import { readOwn } from '../../src/io/repository/sealed-object.ts';
import { localDeps } from '../../src/local/local-deps.ts';
import type { Store } from '../../src/store/store.ts';
import { plainBytes } from '../../src/store/stored-object.ts';
import { createRepositoryOpener } from '../../src/worker/repositories.ts';
import { orderRecord } from './wal-writer.ts';

const ROTATE_MAIN = fileURLToPath(new URL('rotate-main.ts', import.meta.url));
const DATABASE = 'orders';
const TIMELINE = '0001';

/** Of ten objects. */
const PIECES_OF_TEN = 7;
const STREAM_OF_TEN = 2;

export type RotationRoundOptions = { objects: number; kills: number };

/** What a round has found; `broken` is empty if every promise was kept. */
export type RotationRound = { objects: number; kills: number; renewedAtKills: number[]; result: RotateKeysResult; broken: string[] };

export async function rotationRound({ objects, kills }: RotationRoundOptions): Promise<RotationRound> {
  const folder = await mkdtemp(join(tmpdir(), 'rstow-rotation-'));
  try {
    const hosts = await makeHosts(folder);
    const before = await fill(hosts.old, objects);
    const renewedAtKills: number[] = [];
    while (renewedAtKills.length < kills) {
      // Anywhere in its share of the objects: each process gets beyond the one before.
      const killAt = (objects * (renewedAtKills.length + Math.random())) / (kills + 1);
      const ended = await rotate(hosts.rotating, (hasEnded) => reached(hosts, killAt, hasEnded));
      if (ended !== undefined) throw new Error(`the rotation has ended after ${renewedAtKills.length} kills: ${JSON.stringify(ended)}`);
      renewedAtKills.push(await countRenewed(hosts));
    }
    const result = await rotate(hosts.rotating);
    if (result === undefined) throw new Error('the rotation was not to be killed any more');
    // Nothing can fall back on it.
    await rm(hosts.oldIdentityFile);
    return { objects, kills, renewedAtKills, result, broken: await brokenPromises(hosts, before) };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

type Hosts = {
  /** Config files: of a host with the old keys, one with both that stores under the new ones, one with the new ones alone. */
  old: string;
  rotating: string;
  alone: string;
  oldIdentityFile: string;
  newSuffix: string;
  repositoryDir: string;
};

async function makeHosts(folder: string): Promise<Hosts> {
  const repositoryDir = join(folder, 'repository');
  await mkdir(repositoryDir);
  const [oldKey, newKey] = [await makeIdentity(join(folder, 'old.key')), await makeIdentity(join(folder, 'new.key'))];
  const config = async (name: string, encryption: object): Promise<string> => {
    const file = join(folder, `${name}.yaml`);
    const settings = { server: { address: '127.0.0.1:1' }, dataDir: join(folder, 'data'), repositories: ['local'] };
    await writeFile(
      file,
      stringify({
        agent: { name, stateDir: join(folder, name) },
        repositories: { local: { kind: 'folder', path: repositoryDir, encryption: { kind: 'age', ...encryption } } },
        databases: { [DATABASE]: settings },
      }),
    );
    return file;
  };
  return {
    old: await config('old', { recipients: [oldKey.recipient], identityFiles: [oldKey.file] }),
    rotating: await config('rotating', { recipients: [newKey.recipient], identityFiles: [newKey.file, oldKey.file] }),
    alone: await config('alone', { recipients: [newKey.recipient], identityFiles: [newKey.file] }),
    oldIdentityFile: oldKey.file,
    newSuffix: `.zst.${keySetOfRecipients([newKey.recipient])}.age`,
    repositoryDir,
  };
}

async function makeIdentity(file: string): Promise<{ file: string; recipient: string }> {
  const identity = await generateX25519Identity();
  await writeFile(file, `${identity}\n`, { mode: 0o600 });
  return { file, recipient: await identityToRecipient(identity) };
}

/** What lies under each key without its suffix. */
type Contents = Map<string, string>;

/** Pieces of the log, objects of the archive and attachments of a backup. */
async function fill(configFile: string, objects: number): Promise<Contents> {
  const store = await openStore(configFile);
  const put = putterIn(store);
  for (let serial = 1; serial <= objects; serial += 1) await put(serial);
  return contentsOf(configFile);
}

function putterIn(store: Store): (serial: number) => Promise<void> {
  const { signal } = new AbortController();
  return async (serial) => {
    const bytes = Buffer.concat(Array.from({ length: 1 + (serial % 20) }, (_, index) => orderRecord(`o-${serial}-${index}`)));
    const range = { segment: makeSegmentId(serial)!, startBytes: 0, endBytes: bytes.length };
    if (serial % 10 < PIECES_OF_TEN) {
      const source = { startBytes: 0, targetBytes: bytes.length, isExact: true, signal, bytes: () => Readable.from([bytes]) };
      await storeBytes({ store, timeline: TIMELINE, runId: 'fill' }, range.segment, source);
    } else if (serial % 10 < PIECES_OF_TEN + STREAM_OF_TEN) {
      await store.stream.put(TIMELINE, { ...range, sinceMs: serial, seenMs: serial + 1 }, [bytes]);
    } else {
      const of = { label: '20261130T010000Z-hot', name: `server-config-${serial}-rstmdb.yaml`, runId: 'fill', signal };
      await store.attachments.put(of, Readable.from([bytes]));
    }
  };
}

async function openStore(configFile: string): Promise<Store> {
  return (await localDeps(configFile)).openStore(DATABASE);
}

/** The plain bytes of each coded object, by its key without a suffix, as that host opens them. */
async function contentsOf(configFile: string): Promise<Contents> {
  const { repository, coding } = await openRepository(configFile);
  const contents: Contents = new Map();
  for await (const key of repository.keys('databases/')) {
    const suffix = suffixOf(key);
    if (suffix === undefined) continue;
    const chunks: Uint8Array[] = [];
    for await (const chunk of plainBytes({ repository, coding, key, signal: new AbortController().signal })) chunks.push(chunk);
    contents.set(key.slice(0, -suffix.length), sha256Hex(Buffer.concat(chunks)));
  }
  return contents;
}

async function openRepository(configFile: string): Promise<{ repository: Repository; coding: Coding }> {
  const { config, openStore: open } = await localDeps(configFile);
  const { coding } = await open(DATABASE);
  return { repository: await createRepositoryOpener(config)('local'), coding };
}

/** Its result, or undefined if it was killed before it had ended. */
async function rotate(configFile: string, killedWhen?: (hasEnded: () => boolean) => Promise<void>): Promise<RotateKeysResult | undefined> {
  const child = spawn(process.execPath, [ROTATE_MAIN, configFile], { stdio: ['ignore', 'pipe', 'inherit'] });
  const output: string[] = [];
  const hasEnded = once(child, 'close');
  child.stdout.setEncoding('utf8').on('data', (text: string) => output.push(text));
  if (killedWhen !== undefined) {
    await once(child.stdout, 'data');
    await killedWhen(() => child.exitCode !== null);
    child.kill('SIGKILL');
  }
  await hasEnded;
  const [, line] = output.join('').split('\n');
  if (child.exitCode === null) return undefined;
  if (child.exitCode !== 0 || line === undefined) throw new Error(`the rotation failed: ${output.join('')}`);
  return JSON.parse(line) as RotateKeysResult;
}

/** Some instant behind the one at which so many lie under the new keys. */
async function reached(hosts: Hosts, objects: number, hasEnded: () => boolean): Promise<void> {
  while (!hasEnded() && (await countRenewed(hosts)) < objects) await sleep(POLL_MS);
  await sleep(Math.random() * MOMENT_MS);
}

const POLL_MS = 5;
const MOMENT_MS = 40;

/** Objects that lie under the new keys by now. */
async function countRenewed({ newSuffix: suffix, repositoryDir }: Hosts): Promise<number> {
  const names = await readdir(join(repositoryDir, 'databases'), { recursive: true });
  return names.filter((name) => name.endsWith(suffix)).length;
}

async function brokenPromises({ alone, repositoryDir }: Hosts, before: Contents): Promise<string[]> {
  const broken: string[] = [];
  const { repository, coding } = await openRepository(alone);
  const after = await contentsOf(alone);
  for (const [stem, sha256] of before) if (after.get(stem) !== sha256) broken.push(`${stem} holds other bytes, or is gone`);
  for (const stem of after.keys()) if (!before.has(stem)) broken.push(`${stem} was not there before`);
  const names = (await readdir(repositoryDir, { recursive: true })).filter((name) => /\.zst|^keys\//.test(name));
  for (const name of names) {
    const isOfToday = name.startsWith('keys/') ? coding.suffix.includes(basename(name, '.json')) : name.includes(coding.suffix);
    if (!isOfToday) broken.push(`${name} is left`);
    if (!name.endsWith(`${coding.suffix}.json`)) continue;
    const { storedSha256, storedBytes } = await readOwn(repository, name, codedSidecarSchema);
    const object = await readFile(join(repositoryDir, name.slice(0, -'.json'.length)));
    if (object.length !== storedBytes || sha256Hex(object) !== storedSha256) broken.push(`${name} is not of its object`);
  }
  return broken;
}
