/**
 * What encryption costs: CPU of this process and its children, and wall time, for storing and reading one log of `--mb` (500), in turns, by
 * zstd alone, by age within the process, by the `age` program through pipes, and by gpg. Usage: node scripts/evidence/encryption-cost.ts [mb]
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Duplex, Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { generateX25519Identity, identityToRecipient } from 'age-encryption';
import { encryptionSection } from '../../src/config/encryption.ts';
import { openCoding } from '../../src/io/coding/open.ts';
import type { Coding } from '../../src/io/coding/port.ts';
import { zstdCoding } from '../../src/io/coding/zstd.ts';
import { commandFilter } from '../../src/io/process/pipe-command.ts';

const SIZE_BYTES = Number(process.argv[2] ?? 500) * 1024 * 1024;
const ROUNDS = 5;
const CHUNK_BYTES = 512 * 1024;

type Way = { name: string; coding: Coding };

const folder = await mkdtemp(join(tmpdir(), 'encryption-cost-'));
try {
  const plain = madeLog();
  const ways = await waysIn(folder);
  const figures = new Map<string, { encode: number[]; decode: number[]; wallMs: number[] }>(
    ways.map(({ name }) => [name, { encode: [], decode: [], wallMs: [] }]),
  );
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const { name, coding } of ways) {
      const stored: Buffer[] = [];
      const startedAtMs = performance.now();
      const encode = await cpuOf(() => pipeline([chunksOf(plain), ...coding.encode(), collect(stored)]));
      const decode = await cpuOf(() =>
        pipeline([Readable.from(stored, { objectMode: false }), ...coding.decode(`x${coding.suffix}`), collect([])]),
      );
      const own = figures.get(name);
      own?.encode.push(encode);
      own?.decode.push(decode);
      own?.wallMs.push(performance.now() - startedAtMs);
    }
  }
  for (const [name, { encode, decode, wallMs }] of figures) {
    process.stdout.write(
      `${name}: store ${median(encode).toFixed(2)} CPU s, read ${median(decode).toFixed(2)} CPU s, both ${Math.round(median(wallMs))} ms\n`,
    );
  }
} finally {
  await rm(folder, { recursive: true });
}

async function waysIn(secrets: string): Promise<Way[]> {
  const secret = await generateX25519Identity();
  const recipient = await identityToRecipient(secret);
  const [identityFile, passphraseFile] = [join(secrets, 'identity'), join(secrets, 'passphrase')];
  await writeFile(identityFile, secret, { mode: 0o600 });
  await writeFile(passphraseFile, createHash('sha256').update(secret).digest('base64'), { mode: 0o600 });
  const opened = (encryption: object): Promise<Coding> =>
    openCoding({
      name: 'local',
      id: 'a repository',
      keySets: { read: () => Promise.resolve(undefined), put: () => Promise.resolve() },
      encryption: encryptionSection.parse(encryption),
    });
  return [
    { name: 'zstd alone', coding: zstdCoding },
    { name: 'age within the process', coding: await opened({ kind: 'age', recipients: [recipient], identityFiles: [identityFile] }) },
    { name: 'the age program', coding: byProgram(['age', '-r', recipient], ['age', '-d', '-i', identityFile]) },
    { name: 'gpg by passphrase', coding: await opened({ kind: 'gpg', passphraseFile }) },
  ];
}

function byProgram(encrypt: string[], decrypt: string[]): Coding {
  const filter = (command: string[]): Duplex =>
    commandFilter({ begin: () => Promise.resolve({ command }), fault: ({ said, isGood }) => (isGood ? undefined : new Error(said)) });
  return {
    ...zstdCoding,
    encode: (sizeBytes) => [...zstdCoding.encode(sizeBytes), filter(encrypt)],
    decode: (key, sizeBytes) => [filter(decrypt), ...zstdCoding.decode(key, sizeBytes)],
  };
}

/** Orders that are alike and have some random hex, as a server's log has. */
function madeLog(): Buffer {
  const log = Buffer.alloc(SIZE_BYTES);
  let positionBytes = 0;
  for (let serial = 0; positionBytes < SIZE_BYTES; serial += 1) {
    const hex = createHash('sha256').update(String(serial)).digest('hex');
    const items = Array.from({ length: 8 }, (_none, item) => ({
      sku: `sku-${(serial * 7 + item) % 500}`,
      amountCents: serial % 9973,
      note: 'as ordered',
    }));
    positionBytes += log.write(JSON.stringify({ id: `order-${serial}`, token: hex, city: 'Zürich', items }), positionBytes);
  }
  return log;
}

function* cut(plain: Buffer): Generator<Buffer> {
  for (let start = 0; start < plain.length; start += CHUNK_BYTES) yield plain.subarray(start, start + CHUNK_BYTES);
}

function chunksOf(plain: Buffer): Readable {
  return Readable.from(cut(plain), { objectMode: false });
}

function collect(chunks: Buffer[]): Writable {
  return new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      chunks.push(chunk);
      done();
    },
  });
}

async function cpuOf(work: () => Promise<void>): Promise<number> {
  const before = cpuSeconds();
  await work();
  return cpuSeconds() - before;
}

/** Of this process and of its children that have ended. */
function cpuSeconds(): number {
  const fields = readFileSync('/proc/self/stat', 'latin1').split(') ')[1]?.split(' ') ?? [];
  const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
  return ticks / 100;
}

function median(values: number[]): number {
  return values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)] ?? Number.NaN;
}
