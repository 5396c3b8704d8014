import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createRecordScanner } from '../../../src/core/wal/record-scanner.ts';
import { encodeRecord, recordTypes } from '../../../src/core/wal/record.ts';
import { segmentFileName, type SegmentId } from '../../../src/core/wal/wal-offset.ts';
import { crc32c } from '../../../src/io/checksum/checksum.ts';
import { baselineOfLog } from '../../../src/replay/baseline.ts';
import { type Replayed, replaySegments, type ReplaySource } from '../../../src/replay/replay-segments.ts';
import { modelDigest, modelEntries, type ModelEntry } from '../../fixtures/wal/state-model.ts';

const TYPES = {
  put_machine: recordTypes.putMachine,
  create_instance: recordTypes.createInstance,
  apply_event: recordTypes.applyEvent,
  delete_instance: recordTypes.deleteInstance,
  checkpoint: recordTypes.checkpoint,
};

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rstow-baseline-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const caller = { signal: new AbortController().signal, report: () => undefined };
const pathOf = (segment: SegmentId): string => join(folder, segmentFileName(segment));

type Entry = ModelEntry | { type: 'put_machine'; machine: string; version: number; definition: unknown };

/** The log's segments, one after another, in files. */
async function logOf(segments: readonly (readonly Entry[] | Uint8Array)[], first = 1): Promise<ReplaySource> {
  let sequence = 0;
  const extents: ReplaySource['extents'][number][] = [];
  for (const [index, content] of segments.entries()) {
    const encoded = (entry: Entry): Uint8Array =>
      encodeRecord({ type: TYPES[entry.type], sequence: (sequence += 1), payload: Buffer.from(JSON.stringify(entry)) }, crc32c);
    const bytes = content instanceof Uint8Array ? content : Buffer.concat(content.map(encoded));
    const segment = (first + index) as SegmentId;
    await writeFile(pathOf(segment), bytes);
    extents.push({ segment, endBytes: bytes.length });
  }
  return { extents, pathOf, damageCode: 'damaged-object' };
}

async function baselineOf(source: ReplaySource): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of baselineOfLog(source, caller)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

const replayed = async (source: ReplaySource): Promise<Pick<Replayed, 'stateDigest'> & { instances: number; machines: number }> => {
  const { stateDigest, index } = await replaySegments(source, caller);
  const { instances, machines } = index.counts();
  return { stateDigest, instances, machines };
};

const machines = fc.record({
  type: fc.constant('put_machine' as const),
  machine: fc.constantFrom('order', 'x "y"'),
  version: fc.integer({ min: 1, max: 2 }),
  definition: fc.constantFrom(
    null,
    { states: ['a', 'b'], initial: 'a', transitions: [{ from: 'a', event: 'E', to: 'b', guard: null }], unknown: 1 },
    { states: ['a'], initial: 'a', transitions: [], meta: { z: 1, a: [1.5] } },
  ),
});
const entries: fc.Arbitrary<Entry> = fc.oneof({ weight: 5, arbitrary: modelEntries }, { weight: 1, arbitrary: machines });
const isModelled = (entry: Entry): entry is ModelEntry => entry.type !== 'put_machine';

it('gives the state that the log gives, and any log that goes on from there, whatever was created, changed and deleted', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(entries, { maxLength: 40 }),
      fc.array(entries, { maxLength: 40 }),
      fc.nat(40),
      async (before, behind, cut) => {
        const replaced = [before.slice(0, cut), before.slice(cut)];
        const whole = await replayed(await logOf([...replaced, behind]));
        const bytes = await baselineOf(await logOf(replaced));
        const baselined = await replayed(await logOf([bytes, behind], 2));
        expect(baselined).toEqual(whole);
        const all = [...before, ...behind];
        if (all.every(isModelled)) expect(baselined).toMatchObject({ stateDigest: modelDigest(all).digest });
        // And one of what begins with a baseline already.
        const next = await baselineOf(await logOf([bytes, behind], 2));
        expect(await replayed(await logOf([next], 3))).toEqual(whole);
      },
    ),
    { numRuns: 100 },
  );
}, 120_000);

it('numbers its records up to the highest number of the log, and keeps each number and text of a context as it was written', async () => {
  const entry = (id: string, ctxText: string): Uint8Array =>
    Buffer.from(
      `{"type":"create_instance","instance_id":"${id}","machine":"order","version":1,"initial_state":"a","initial_ctx":${ctxText}}`,
    );
  const ctx = '{"big":12345678901234567890123,"one":1.0,"small":1e-7,"text":"\\u00e9\\n"}';
  const type = recordTypes.createInstance;
  const log = [
    encodeRecord({ type, sequence: 71, payload: entry('i-1', ctx) }, crc32c),
    encodeRecord({ type, sequence: 70, payload: entry('i-2', 'null') }, crc32c),
    encodeRecord(
      { type: recordTypes.deleteInstance, sequence: 69, payload: Buffer.from('{"type":"delete_instance","instance_id":"i-3"}') },
      crc32c,
    ),
  ];
  const source = await logOf([Buffer.concat(log)]);
  const seen: { sequence: number; text: string }[] = [];
  const scanner = createRecordScanner({
    crc32c,
    startBytes: 0,
    onRecord: ({ sequence, payload }) => void seen.push({ sequence, text: Buffer.from(payload).toString() }),
  });
  scanner.push(await baselineOf(source));
  expect(scanner.finish()).toMatchObject({ kind: 'whole' });
  expect(seen.map(({ sequence }) => sequence)).toEqual([70, 71]);
  expect(seen[0]!.text).toContain('"big":12345678901234567890123,"one":1.0,"small":1e-7');
});

it('hands on a large state in chunks, and none of an empty one', async () => {
  const fat = 'x'.repeat(500_000);
  const create = (serial: number): Entry => ({
    type: 'create_instance',
    instance_id: `i-${serial}`,
    machine: 'order',
    version: 1,
    initial_state: 'a',
    initial_ctx: { fat },
  });
  const sizes: number[] = [];
  for await (const chunk of baselineOfLog(await logOf([Array.from({ length: 20 }, (_, serial) => create(serial))]), caller)) {
    sizes.push(chunk.length);
  }
  expect(sizes.length).toBeGreaterThan(5);
  expect(Math.max(...sizes)).toBeLessThan(2 * 1024 * 1024);
  expect((await baselineOf(await logOf([[]]))).length).toBe(0);
});
