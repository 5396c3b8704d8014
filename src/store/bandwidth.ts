import { Transform } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';

/** What lets no more than so many bytes through in a second, whoever of several asks. */
export type Bandwidth = {
  /** Returns when these bytes, and all that were to pass before them, have taken their time. */
  pass(sizeBytes: number, signal: AbortSignal): Promise<void>;
  /** A stage of a pipeline that lets everything through unchanged, in its time. */
  stage(signal: AbortSignal): Transform;
};

/** Without a limit, nobody waits. */
export function createBandwidth(bytesPerSecond: number | undefined): Bandwidth {
  let freeAtMs = 0;
  const pass: Bandwidth['pass'] = async (sizeBytes, signal) => {
    if (bytesPerSecond === undefined) return;
    const nowMs = performance.now();
    freeAtMs = Math.max(nowMs, freeAtMs) + (sizeBytes * 1000) / bytesPerSecond;
    await delay(freeAtMs - nowMs, undefined, { signal });
  };
  return {
    pass,
    stage: (signal) =>
      new Transform({
        transform(chunk: Buffer, _encoding, callback) {
          pass(chunk.length, signal).then(() => callback(null, chunk), callback);
        },
      }),
  };
}
