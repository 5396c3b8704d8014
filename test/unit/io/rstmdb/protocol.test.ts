import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeFrame, FrameBuffer, PAYLOAD_SIZE_BYTES_MAX, readFrame } from '../../../../src/io/rstmdb/protocol.ts';

/** What rstmdb 0.3.0 sent in answer to a PING with the id 1. */
const PONG_PAYLOAD = '{"type":"response","id":"1","status":"ok","result":{"pong":true}}';
const PONG_FRAME = Buffer.from(
  '52435058000100010000000000414b7b432f7b2274797065223a22726573706f6e7365222c226964223a2231222c22737461747573223a226f6b222c22726573756c74223a7b22706f6e67223a747275657d7d',
  'hex',
);

function takeAll(frames: FrameBuffer): string[] {
  const payloads: string[] = [];
  for (let reading = frames.next(); reading.kind !== 'incomplete'; reading = frames.next()) {
    if (reading.kind === 'damaged') throw new Error(reading.reason);
    payloads.push(reading.payload.toString());
  }
  return payloads;
}

describe('encodeFrame and readFrame', () => {
  it('reads and writes a frame of a real server byte for byte', () => {
    expect(readFrame(PONG_FRAME)).toEqual({ kind: 'frame', payload: Buffer.from(PONG_PAYLOAD), sizeBytes: PONG_FRAME.length });
    expect(encodeFrame(Buffer.from(PONG_PAYLOAD)).toString('hex')).toBe(PONG_FRAME.toString('hex'));
  });

  it('reads back whatever was encoded, and leaves alone what follows it', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2000 }), fc.uint8Array({ maxLength: 50 }), (payload, rest) => {
        const frame = encodeFrame(payload);
        const reading = readFrame(Buffer.concat([frame, rest]));
        expect(reading).toEqual({ kind: 'frame', payload: Buffer.from(payload), sizeBytes: frame.length });
      }),
    );
  });

  it('calls every proper prefix incomplete', () => {
    for (let length = 0; length < PONG_FRAME.length; length += 1) {
      expect(readFrame(PONG_FRAME.subarray(0, length)).kind).toBe('incomplete');
    }
  });

  it('takes no frame with a flipped bit for a good one', () => {
    for (let bit = 0; bit < PONG_FRAME.length * 8; bit += 1) {
      const flipped = Buffer.from(PONG_FRAME);
      flipped.writeUInt8(flipped.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
      expect(readFrame(flipped).kind, `bit ${bit}`).not.toBe('frame');
    }
  });

  it('calls a flipped bit of the payload a crc fault', () => {
    const flipped = Buffer.from(PONG_FRAME);
    flipped.writeUInt8(flipped.readUInt8(40) ^ 4, 40);
    expect(readFrame(flipped)).toEqual({ kind: 'damaged', reason: 'crc' });
  });

  it('skips a header extension', () => {
    const frame = encodeFrame(Buffer.from('{}'));
    frame.writeUInt16BE(5, 8);
    const extended = Buffer.concat([frame.subarray(0, 18), Buffer.from('hello'), frame.subarray(18)]);
    expect(readFrame(extended)).toEqual({ kind: 'frame', payload: Buffer.from('{}'), sizeBytes: extended.length });
  });

  it('refuses a length above 16 MiB before it waits for the bytes', () => {
    const frame = encodeFrame(Buffer.from('{}'));
    frame.writeUInt32BE(PAYLOAD_SIZE_BYTES_MAX + 1, 10);
    expect(readFrame(frame)).toEqual({ kind: 'damaged', reason: 'length' });
  });
});

describe('FrameBuffer', () => {
  it('cuts the same frames out of any chunks', () => {
    const chunkSizes = fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1 });
    fc.assert(
      fc.property(fc.array(fc.string(), { minLength: 1, maxLength: 8 }), chunkSizes, (payloads, sizes) => {
        const stream = Buffer.concat(payloads.map((payload) => encodeFrame(Buffer.from(payload))));
        const frames = new FrameBuffer();
        const taken: string[] = [];
        for (let start = 0, turn = 0; start < stream.length; turn += 1) {
          const end = start + (sizes[turn % sizes.length] ?? 1);
          frames.add(stream.subarray(start, end));
          taken.push(...takeAll(frames));
          start = end;
        }
        expect(taken).toEqual(payloads.map((payload) => Buffer.from(payload).toString()));
      }),
    );
  });

  it('takes a frame of 16 MiB in small chunks within a second', () => {
    const stream = encodeFrame(Buffer.alloc(PAYLOAD_SIZE_BYTES_MAX, 0x20));
    const frames = new FrameBuffer();
    const startedAtMs = performance.now();
    let payloads = 0;
    for (let start = 0; start < stream.length; start += 4096) {
      frames.add(stream.subarray(start, start + 4096));
      if (frames.next().kind === 'frame') payloads += 1;
    }
    expect(payloads).toBe(1);
    expect(performance.now() - startedAtMs).toBeLessThan(1000);
  });
});
