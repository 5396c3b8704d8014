import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { openArchive, tarBytes as tarBytesOf } from '../../../../src/io/tar/archive-file.ts';
import { UNPACK_LIMITS, type UnpackedLog, type UnpackLimits, unpackLog } from '../../../../src/io/tar/unpack-log.ts';
import { type MadeEntry, tarBytes } from '../../../support/tar-bytes.ts';

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rstow-tar-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const FIRST = 'wal/0000000000000001.wal';
const SECOND = 'wal/0000000000000002.wal';
const ONE: MadeEntry = { path: FIRST, content: 'one' };

const keys = { gpgHome: '/nonexistent', hasGpgHome: false };

async function unpack(bytes: Uint8Array, limits: Partial<UnpackLimits> = {}): Promise<UnpackedLog> {
  const path = join(folder, 'archive.tar.gz');
  await writeFile(path, bytes);
  await mkdir(join(folder, 'log'));
  const file = await openArchive(path);
  const { signal } = new AbortController();
  let readBytes = 0;
  try {
    const plain = tarBytesOf(file, { keys, signal, onRead: (sizeBytes) => (readBytes += sizeBytes) });
    return await unpackLog(plain, {
      path: 'A',
      folder: join(folder, 'log'),
      readBytes: () => readBytes,
      limits: { ...UNPACK_LIMITS, ...limits },
      signal,
    });
  } finally {
    await file.handle.close();
  }
}

/** The names of all that was written. */
async function written(): Promise<string[]> {
  const names = await readdir(join(folder, 'log'), { recursive: true });
  return names
    .filter((name) => name.includes('/'))
    .map((name) => basename(name))
    .sort();
}

const segmentText = (segment: number): Promise<string> => readFile(join(folder, 'log/wal', `000000000000000${segment}.wal`), 'utf8');

it.each([
  ['', ''],
  ['./', ''],
  ['20261129-030000/', '20261129-030000'],
  ['var/lib/rstmdb/', 'var/lib/rstmdb'],
])('finds the log below "%s"', async (prefix, expected) => {
  const entries = [
    { path: `${prefix}wal/`, type: 'Directory' },
    { path: `${prefix}${SECOND}`, content: 'two' },
    { path: `${prefix}${FIRST}`, content: 'one', mtimeMs: 1_700_000_000_000 },
    { path: `${prefix}wal/rstow-timeline.json`, content: '{}' },
    { path: `${prefix}snapshots/index.json`, content: '{}' },
    { path: `${prefix}backup.json`, content: '{"type":"hot"}' },
  ];
  const log = await unpack(gzipSync(tarBytes(entries)));
  expect(log).toMatchObject({ folder: expected, segments: [1, 2], about: '{"type":"hot"}', newestMs: 1_700_000_000_000 });
  expect(log.ownership).toEqual({ uid: 990, gid: 991, folderMode: 0o640, fileMode: 0o640 });
  expect(await written()).toEqual(['0000000000000001.wal', '0000000000000002.wal']);
  expect(await segmentText(2)).toBe('two');
});

it('reads plain tar and zstd alike, and segments that are larger than any buffer', async () => {
  const content = randomBytes(5_000_000);
  for (const pack of [(bytes: Buffer): Buffer => bytes, zstdCompressSync, gzipSync]) {
    const log = await unpack(
      pack(
        tarBytes([
          { path: FIRST, content },
          { path: SECOND, content: '' },
        ]),
      ),
    );
    expect(log.segments).toEqual([1, 2]);
    expect((await readFile(join(folder, 'log/wal', '0000000000000001.wal'))).equals(content)).toBe(true);
    await rm(join(folder, 'log'), { recursive: true });
  }
});

it('takes the outermost of logs that lie within each other, in whatever order they come', async () => {
  const inner = { path: `data/old/data/${FIRST}`, content: 'inner' };
  const outer = { path: `data/${FIRST}`, content: 'outer' };
  for (const entries of [
    [inner, outer],
    [outer, inner],
  ]) {
    expect(await unpack(tarBytes(entries))).toMatchObject({ folder: 'data', segments: [1] });
    expect(await segmentText(1)).toBe('outer');
    await rm(join(folder, 'log'), { recursive: true });
  }
});

it('passes over what rstow keeps in a data directory, links and segments of the same name among it', async () => {
  const pins = '.rstow/pins/run/0000000000000001.wal';
  const log = await unpack(
    tarBytes([{ path: './.rstow/pins/x', type: 'Link', linkpath: `./${FIRST}` }, { path: pins, content: 'pin' }, ONE]),
  );
  expect(log.segments).toEqual([1]);
  expect(await segmentText(1)).toBe('one');
});

const HOSTILE: [string, MadeEntry[], RegExp][] = [
  ['an absolute path', [ONE, { path: `/etc/${SECOND}`, content: 'x' }], /absolute path/],
  ['a path that leads out', [ONE, { path: `a/../../${SECOND}`, content: 'x' }], /leads out of the archive/],
  ['a symbolic link', [ONE, { path: SECOND, type: 'SymbolicLink', linkpath: '/etc/passwd' }], /a symbolic link/],
  ['a symbolic link in place of wal/', [{ path: 'wal', type: 'SymbolicLink', linkpath: '/etc' }, ONE], /a symbolic link/],
  ['a hard link', [ONE, { path: SECOND, type: 'Link', linkpath: FIRST }], /a hard link/],
  ['a character device', [ONE, { path: 'null', type: 'CharacterDevice' }], /a device/],
  ['a block device', [ONE, { path: SECOND, type: 'BlockDevice' }], /a device/],
  ['a FIFO', [ONE, { path: SECOND, type: 'FIFO' }], /a FIFO/],
  ['a sparse file', [ONE, { path: 'wal/GNUSparseFile.7/0000000000000002.wal', content: 'x' }], /a sparse file/],
  ['an entry of an unknown type', [ONE, { path: SECOND, content: 'x', typeCode: 'S' }], /type/],
  ['one segment twice', [ONE, ONE], /has 0000000000000001.wal twice/],
  ['one segment twice, by two names', [ONE, { path: './wal//0000000000000001.wal', content: 'x' }], /twice/],
  ['a name that is no segment', [ONE, { path: 'wal/evil.wal', content: 'x' }], /not what a server calls a segment/],
  ['a number that no segment has', [ONE, { path: 'wal/00000000ffffffff.wal', content: 'x' }], /not what a server calls a segment/],
  ['a name with a newline', [ONE, { path: 'wal/a\nb', content: 'x' }], /control characters, "wal\/a\\nb"/],
];

it.each(HOSTILE)('refuses %s', async (_what, entries, why) => {
  await expect(unpack(gzipSync(tarBytes(entries)))).rejects.toMatchObject({
    code: 'archive-refused',
    message: expect.stringMatching(why) as string,
  });
  expect((await written()).every((name) => name === '0000000000000001.wal')).toBe(true);
});

it('refuses more entries than any data directory has', async () => {
  const many = Array.from({ length: 50 }, (_, index) => ({ path: `snapshots/snap-${index}.snap`, content: '' }));
  const full = tarBytes([ONE, ...many]);
  await expect(unpack(full, { entriesMax: 50 })).rejects.toMatchObject({
    code: 'archive-refused',
    message: expect.stringContaining('50 entries') as string,
  });
});

it('holds a bounded number of texts in memory', async () => {
  const many = Array.from({ length: 101 }, (_, index) => ({ path: `${index}/backup.json`, content: '{}' }));
  expect(await unpack(tarBytes([ONE, ...many.slice(1)]))).toMatchObject({ segments: [1] });
  await rm(join(folder, 'log'), { recursive: true });
  await expect(unpack(tarBytes([ONE, ...many]))).rejects.toMatchObject({
    code: 'archive-refused',
    message: expect.stringContaining('more than 100 folders') as string,
  });
});

it('refuses a decompression bomb before it has filled the disk', async () => {
  const bomb = gzipSync(tarBytes([ONE, { path: SECOND, content: Buffer.alloc(20_000_000) }]));
  const refusal = unpack(bomb, { harmlessBytes: 1_000_000, ratioMax: 100 });
  await expect(refusal).rejects.toMatchObject({
    code: 'archive-refused',
    message: expect.stringContaining('100 times as large') as string,
  });
});

it('refuses a segment that claims more than the disk has, before a byte of it is written', async () => {
  const huge = tarBytes([ONE, { path: SECOND, content: 'x', claimedBytes: 4 * 1024 ** 5 }]);
  await expect(unpack(gzipSync(huge))).rejects.toMatchObject({ code: 'not-enough-space' });
  expect(await written()).toEqual(['0000000000000001.wal']);
});

it.each([
  ['in gzip', (bytes: Buffer) => gzipSync(bytes).subarray(0, -2000)],
  ['as plain tar', (bytes: Buffer) => bytes.subarray(0, 4000)],
])('says of an archive that is truncated %s what could be read', async (_how, cut) => {
  const bytes = tarBytes([
    { path: FIRST, content: randomBytes(1000) },
    { path: SECOND, content: randomBytes(1000) },
    { path: 'wal/0000000000000003.wal', content: randomBytes(4000) },
  ]);
  await expect(unpack(cut(bytes))).rejects.toMatchObject({
    code: 'archive-truncated',
    message: 'A ends too early: 2 whole segments could be read (segments 1 to 2), and a part of segment 3',
    details: { wholeSegments: ['1', '2'] },
  });
});

it('takes an archive that ends at an entry, without its end, for a truncated one', async () => {
  await expect(unpack(tarBytes([ONE], { isEnded: false }))).rejects.toMatchObject({ code: 'archive-truncated' });
});

it('finds damage in the compressed bytes and in a header', async () => {
  const packed = gzipSync(tarBytes([{ path: FIRST, content: randomBytes(5000) }]));
  packed[packed.length - 6] = (packed[packed.length - 6] ?? 0) ^ 0xff;
  await expect(unpack(packed)).rejects.toMatchObject({ code: 'archive-damaged' });
  await rm(join(folder, 'log'), { recursive: true });
  const bytes = tarBytes([ONE, ONE]);
  bytes[1024 + 3] = 0x7a;
  await expect(unpack(bytes)).rejects.toMatchObject({
    code: 'archive-damaged',
    message: expect.stringContaining('behind entry 1') as string,
  });
});

it.each([
  ['text', Buffer.from('hello, this is no archive at all'.repeat(60)), 'A is no tar archive'],
  ['an empty file', Buffer.alloc(0), 'A is empty'],
  ['a zip file', Buffer.concat([Buffer.from([0x50, 0x4b, 3, 4]), Buffer.alloc(900)]), 'is a zip file'],
  ['what is compressed twice', gzipSync(gzipSync(tarBytes([ONE]))), 'is compressed twice'],
  [
    'a ZFS stream',
    gzipSync(Buffer.concat([Buffer.alloc(8), Buffer.from([0xac, 0xcb, 0xba, 0xf5, 2, 0, 0, 0]), Buffer.alloc(900)])),
    'zfs receive',
  ],
  ['two databases', gzipSync(tarBytes([{ path: `a/${FIRST}` }, { path: `b/${FIRST}` }])), '"a/wal" and "b/wal"'],
])('calls %s unsupported, and says what it is', async (_what, bytes, sentence) => {
  await expect(unpack(bytes)).rejects.toMatchObject({ code: 'archive-unsupported', message: expect.stringContaining(sentence) as string });
});

it('says of snapshots without a log that no server reads them', async () => {
  const only = tarBytes([{ path: 'x/snapshots/snap-1.snap', content: '{}' }]);
  await expect(unpack(only)).rejects.toMatchObject({
    code: 'archive-empty',
    message: 'A holds 1 snapshot and no log: there is no wal/ with segments in it: a server never reads snapshots at its start',
  });
});

it('does not read what is no ordinary file', async () => {
  await expect(openArchive('/dev/zero')).rejects.toMatchObject({ code: 'file-not-allowed' });
});
