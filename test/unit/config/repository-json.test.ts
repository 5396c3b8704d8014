import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { manifestSchema } from '../../../src/formats/repository/manifest.ts';
import { segmentText, timelineId } from '../../../src/formats/repository/parts.ts';
import { sidecarSchema } from '../../../src/formats/repository/piece.ts';
import { storedExtentsSchema } from '../../../src/formats/repository/plans.ts';
import { timelineSchema } from '../../../src/formats/repository/history.ts';
import { makeSegmentId, SEGMENT_ID_MAX } from '../../../src/core/wal/wal-offset.ts';
import { manifest } from './a-manifest.ts';

const segment = makeSegmentId(7)!;
const extents = [{ segment, endBytes: 500 }];
const lastRecord = { startBytes: 400, crc32c: 0xffffffff, sequence: 2 ** 60 };

const samples: [string, z.ZodType, unknown][] = [
  ['a manifest', manifestSchema, manifest],
  ['stored extents', storedExtentsSchema, { format: 1, segments: extents, warnings: [{ code: 'torn-tail', message: 'left out' }] }],
  [
    'a timeline',
    timelineSchema,
    {
      format: 1,
      timeline: '0002',
      generation: 2,
      parent: { timeline: '0001', label: 'a', extents },
      why: 'restore',
      runId: 'r',
      createdAtMs: 1,
    },
  ],
  [
    'a sidecar',
    sidecarSchema,
    { format: 1, runId: 'r', sha256: 'ab'.repeat(32), records: 19, storedBytes: 9, storedSha256: 'cd'.repeat(32), lastRecord },
  ],
];

it.each(samples)('reads %s back from its JSON', (_what, schema, value) => {
  const json: unknown = JSON.parse(JSON.stringify(z.encode(schema, value)));
  expect(schema.parse(json)).toEqual(value);
});

it('writes a segment as 16 hex digits and reads it back, whichever it is', () => {
  fc.assert(
    fc.property(fc.nat({ max: SEGMENT_ID_MAX }), (number) => {
      const text = z.encode(segmentText, makeSegmentId(number)!);
      expect(text).toMatch(/^[0-9a-f]{16}$/);
      expect(segmentText.parse(text)).toBe(number);
    }),
  );
});

it.each(['', '1', '000000000000001', '00000000000000001', '0000000001000000', '000000000000000G', '000000000000000A', 7, null])(
  'takes %j for no segment',
  (text) => {
    expect(segmentText.safeParse(text).success).toBe(false);
  },
);

it.each(['1', '000', '../1', '0001/', '0000000001', ' 0001'])('takes %j for no timeline', (text) => {
  expect(timelineId.safeParse(text).success).toBe(false);
});

describe('a manifest', () => {
  const json = z.encode(manifestSchema, manifest) as Record<string, unknown>;

  it.each(Object.keys(json))('is refused without its %s', (key) => {
    const { [key]: _left, ...rest } = json;
    expect(manifestSchema.safeParse(rest).success).toBe(false);
  });

  it('is read though a later version wrote more into it', () => {
    expect(manifestSchema.parse({ ...json, later: true })).toEqual(manifest);
  });

  it.each([{ records: -1 }, { records: 1.5 }, { stateDigest: 'AB'.repeat(32) }, { kind: 'warm' }, { timeline: '1' }, { segments: {} }])(
    'is refused with %j',
    (wrong) => {
      expect(manifestSchema.safeParse({ ...json, ...wrong }).success).toBe(false);
    },
  );
});
