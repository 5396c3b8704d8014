import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { repairSegment } from '../../src/local/repair-segment.ts';
import { runRstow } from '../integration/cli/rstow-process.ts';
import { oddSource, scratchFolder, startedDigest, writeOrders } from '../support/odd-source.ts';
import { orderRecord } from '../support/wal-writer.ts';
import { startRstmdb } from '../support/rstmdb-server.ts';

const FILE = '0000000000000001.wal';
const [first, second, third] = [orderRecord('one'), orderRecord('two'), orderRecord('three')];
const torn = orderRecord('torn').subarray(0, 60);
const flipped = Buffer.from(orderRecord('flipped'));
flipped[100] = (flipped[100] ?? 0) ^ 1;

const cases: { what: string; parts: Uint8Array[]; leftOut: [number, number][] }[] = [
  { what: 'leaves a sound segment as it is', parts: [first, second], leftOut: [] },
  { what: 'copies an empty segment', parts: [], leftOut: [] },
  { what: 'leaves out a torn tail', parts: [first, torn], leftOut: [[1, 2]] },
  { what: 'leaves out a zero-filled tail', parts: [first, Buffer.alloc(4096)], leftOut: [[1, 2]] },
  { what: 'keeps what lies behind a torn record', parts: [first, torn, second, third], leftOut: [[1, 2]] },
  { what: 'keeps what lies behind a flipped bit', parts: [first, flipped, second], leftOut: [[1, 2]] },
  { what: 'keeps what lies behind zeros', parts: [Buffer.alloc(512), first, second], leftOut: [[0, 1]] },
  {
    what: 'keeps what lies between two damaged places',
    parts: [torn, first, flipped, second, torn],
    leftOut: [
      [0, 1],
      [2, 3],
      [4, 5],
    ],
  },
  { what: 'keeps nothing of a segment without a record', parts: [torn], leftOut: [[0, 1]] },
];

describe('repairSegment', () => {
  it.each(cases)('$what', async ({ parts, leftOut }) => {
    const file = join(await scratchFolder(), FILE);
    const damaged = Buffer.concat(parts);
    await writeFile(file, damaged, { mode: 0o640 });
    const positionOf = (part: number): number => parts.slice(0, part).reduce((sum, { length }) => sum + length, 0);
    const dropped = new Set(leftOut.map(([from]) => from));
    const kept = Buffer.concat(parts.filter((_, index) => !dropped.has(index)));
    expect(await repairSegment(file)).toEqual({
      to: `${file}.repaired`,
      records: parts.length - dropped.size,
      keptBytes: kept.length,
      leftOut: leftOut.map(([from, until]) => ({ startBytes: positionOf(from), endBytes: positionOf(until) })),
    });
    expect((await readFile(`${file}.repaired`)).equals(kept)).toBe(true);
    expect((await readFile(file)).equals(damaged)).toBe(true);
    expect((await stat(`${file}.repaired`)).mode & 0o777).toBe(0o640);
  });

  it('overwrites nothing, not even its own earlier copy, and leaves no half of one', async () => {
    const folder = await scratchFolder();
    const file = join(folder, FILE);
    await writeFile(file, first);
    await expect(repairSegment(file, file)).rejects.toMatchObject({ code: 'target-not-empty' });
    await repairSegment(file);
    await expect(repairSegment(file)).rejects.toMatchObject({ code: 'target-not-empty' });
    expect(await readdir(folder)).toEqual([FILE, `${FILE}.repaired`]);
  });

  it('only reads the segment, whatever it and its copy are called', async () => {
    const file = join(await scratchFolder(), 'copy.partial');
    await writeFile(file, first);
    await repairSegment(file, file.replace('.partial', ''));
    expect((await readFile(file)).equals(first)).toBe(true);
  });

  it('names a file or a folder that is not there', async () => {
    const folder = await scratchFolder();
    await expect(repairSegment(join(folder, 'absent.wal'))).rejects.toMatchObject({ code: 'invalid-input' });
    await expect(repairSegment(folder)).rejects.toMatchObject({ code: 'invalid-input' });
    await writeFile(join(folder, 'a.wal'), first);
    await expect(repairSegment(join(folder, 'a.wal'), join(folder, 'absent', 'b.wal'))).rejects.toMatchObject({ code: 'invalid-input' });
  });
});

describe('rstow repair', () => {
  it('prints what it kept and left out, and exits 3 where something was left out', async () => {
    const file = join(await scratchFolder(), FILE);
    await writeFile(file, Buffer.concat([first, torn, second]));
    const outcome = await runRstow(['repair', '--segment', file]);
    const from = first.length;
    const lines = [
      `clean copy  ${file}.repaired`,
      `kept        2 whole records, ${first.length + second.length} B`,
      `left out    bytes ${from} to ${from + 60}, 60 B`,
    ];
    expect(outcome).toEqual({ exitCode: 3, stdout: `${lines.join('\n')}\n`, stderr: '' });
  });

  it('exits 0 where all was kept, and tells programs the same as JSON', async () => {
    const file = join(await scratchFolder(), FILE);
    await writeFile(file, Buffer.concat([first, second]));
    const { exitCode, stdout } = await runRstow(['repair', '--segment', file, '--to', `${file}.clean`, '--json']);
    const told = { message_type: 'summary', to: `${file}.clean`, records: 2, keptBytes: first.length + second.length, leftOut: [] };
    expect([exitCode, JSON.parse(stdout)]).toEqual([0, told]);
  });

  it('refuses to overwrite, and says so', async () => {
    const file = join(await scratchFolder(), FILE);
    await writeFile(file, first);
    const outcome = await runRstow(['repair', '--segment', file, '--to', file]);
    expect(outcome).toMatchObject({ exitCode: 14, stdout: '' });
    expect(outcome.stderr).toContain(`${file} exists already and is not overwritten`);
  });
});

it('makes a log startable again on which a real server refuses to start', async () => {
  const source = await oddSource();
  await writeOrders(source.address, 4);
  await source.service.stop();
  const sound = await readFile(join(source.walDir, FILE));
  const behind = orderRecord('behind');
  const damaged = await dataDirectory(Buffer.concat([sound, flipped, behind]));
  await expect(startRstmdb({ dataDir: damaged })).rejects.toThrow('did not start');
  const repaired = await dataDirectory();
  await repairSegment(join(damaged, 'wal', FILE), join(repaired, 'wal', FILE));
  const undamaged = await dataDirectory(Buffer.concat([sound, behind]));
  expect(await startedDigest(source, repaired)).toBe(await startedDigest(source, undamaged));
});

async function dataDirectory(segment?: Uint8Array): Promise<string> {
  const dataDir = join(await scratchFolder(), 'data');
  await mkdir(join(dataDir, 'wal'), { recursive: true });
  if (segment !== undefined) await writeFile(join(dataDir, 'wal', FILE), segment);
  return dataDir;
}
