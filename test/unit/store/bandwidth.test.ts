import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { expect, it } from 'vitest';
import { createBandwidth } from '../../../src/store/bandwidth.ts';

const { signal } = new AbortController();

async function passed(bytesPerSecond: number | undefined, streams: number): Promise<number> {
  const bandwidth = createBandwidth(bytesPerSecond);
  const chunks = Array.from({ length: 10 }, () => Buffer.alloc(10_000));
  const beganAtMs = performance.now();
  const sink = async (stream: AsyncIterable<Buffer>): Promise<void> => {
    let sizeBytes = 0;
    for await (const chunk of stream) sizeBytes += chunk.length;
    expect(sizeBytes).toBe(100_000);
  };
  await Promise.all(Array.from({ length: streams }, () => pipeline(Readable.from(chunks), bandwidth.stage(signal), sink)));
  return performance.now() - beganAtMs;
}

it('lets no more through than it may, in however many streams', async () => {
  for (const streams of [1, 2]) {
    const tookMs = await passed(500_000, streams);
    expect(tookMs).toBeGreaterThan(200 * streams - 5);
    expect(tookMs).toBeLessThan(200 * streams + 400);
  }
});

it('keeps nobody waiting without a limit, and ends a wait that nobody wants any more', async () => {
  expect(await passed(undefined, 1)).toBeLessThan(150);
  const slow = createBandwidth(1);
  await expect(slow.pass(1000, AbortSignal.timeout(10))).rejects.toThrow('abort');
});
