import { Transform } from 'node:stream';

export type BlockStage = {
  sizeBytes: number;
  /** What comes before the first block. */
  head?: () => Promise<Uint8Array>;
  /** Sees each block in its turn. The last one, and only that, may be shorter; of nothing it is empty. */
  convert: (block: Buffer, isLast: boolean) => Buffer;
};

/** A stage that sees its input in blocks of one size, however it is cut. It is done with a chunk when it calls back. */
export function createBlockStage({ sizeBytes, head, convert }: BlockStage): Transform {
  const blocks = createBlocks(sizeBytes, convert);
  const pushed = (stage: Transform, callback: (error?: Error | null) => void, convertAll: () => Iterable<Buffer>): void => {
    try {
      for (const converted of convertAll()) stage.push(converted);
    } catch (error) {
      callback(error as Error);
      return;
    }
    callback();
  };
  return new Transform({
    construct(callback) {
      const pushHead = async (): Promise<void> => {
        if (head !== undefined) this.push(await head());
      };
      pushHead().then(() => callback(), callback);
    },
    transform(chunk: Buffer, _encoding, callback) {
      pushed(this, callback, () => blocks.more(chunk));
    },
    flush(callback) {
      pushed(this, callback, () => blocks.end());
    },
  });
}

/** Keeps at most one block: whether it is the last one shows when more comes, or nothing. */
function createBlocks(sizeBytes: number, convert: BlockStage['convert']) {
  let kept = Buffer.alloc(0);
  let keptBytes = 0;
  const keep = (bytes: Buffer): number => {
    if (kept.length === 0) kept = Buffer.allocUnsafe(sizeBytes);
    const copied = bytes.copy(kept, keptBytes);
    keptBytes += copied;
    return copied;
  };
  return {
    *more(chunk: Buffer): Generator<Buffer> {
      let positionBytes = keptBytes === 0 ? 0 : keep(chunk);
      if (positionBytes < chunk.length && keptBytes > 0) {
        keptBytes = 0;
        yield convert(kept, false);
      }
      for (; chunk.length - positionBytes > sizeBytes; positionBytes += sizeBytes) {
        yield convert(chunk.subarray(positionBytes, positionBytes + sizeBytes), false);
      }
      if (positionBytes < chunk.length) keep(chunk.subarray(positionBytes));
    },
    *end(): Generator<Buffer> {
      yield convert(kept.subarray(0, keptBytes), true);
    },
  };
}
