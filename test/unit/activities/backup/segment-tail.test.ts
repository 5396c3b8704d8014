import { describe, expect, it } from 'vitest';
import { judgeTail } from '../../../../src/activities/backup/segment-scan.ts';
import type { ScanEnd } from '../../../../src/core/wal/record-scanner.ts';
import { goldenSegment } from '../../../fixtures/wal/golden.ts';
import { scanAll } from '../../../fixtures/wal/scan-all.ts';
import { BOUNDARIES, makeScene, SEGMENT } from '../scene.ts';

const segment = goldenSegment();

/** What the file's end means, judged from where its whole records end. */
async function judge(...parts: Uint8Array[]): Promise<{ code: string; message: string }> {
  const scene = await makeScene();
  const bytes = new Uint8Array(Buffer.concat(parts));
  const end: ScanEnd = scanAll([bytes]).end;
  return judgeTail(await scene.writeSegment(bytes), SEGMENT, end);
}

it('calls an incomplete record at the very end a torn tail, and says how long it is', async () => {
  const warning = await judge(segment, segment.subarray(0, 30));
  expect(warning.code).toBe('torn-tail');
  expect(warning.message).toContain('0000000000000001.wal ends with 30 bytes of an incomplete record');
});

it('calls zeros to the end a zero tail', async () => {
  expect(await judge(segment, new Uint8Array(64))).toMatchObject({ code: 'zero-tail' });
});

describe('a damaged source', () => {
  it('has a whole record behind an incomplete one', async () => {
    // A header that promises more than comes swallows the whole records behind it.
    const header = segment.slice(0, 24);
    new DataView(header.buffer).setUint32(8, 1_000_000);
    const positionBytes = segment.length;
    await expect(judge(segment, header, segment)).rejects.toMatchObject({
      code: 'source-damaged',
      message: expect.stringContaining(`at byte ${positionBytes + 24}`) as string,
      details: { file: '0000000000000001.wal', positionBytes },
    });
  });

  it('has bytes that can become no record', async () => {
    const flipped = segment.slice();
    flipped[BOUNDARIES[3]! + 30] = flipped[BOUNDARIES[3]! + 30]! ^ 1;
    await expect(judge(flipped)).rejects.toMatchObject({
      code: 'source-damaged',
      message: expect.stringContaining(`0000000000000001.wal has at byte ${BOUNDARIES[3]!} no valid record there (checksum)`) as string,
    });
  });
});
