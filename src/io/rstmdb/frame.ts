/**
 * The framing of RCP, rstmdb's wire protocol: an 18-byte header and a JSON payload, big-endian.
 * @see rstmdb-protocol 0.3.0 src/frame.rs
 */
import { crc32c } from '@node-rs/crc32';
import { assert } from '../../core/errors/rstow-error.ts';

/** The server closes the connection, with no answer, on a longer one. */
export const PAYLOAD_SIZE_BYTES_MAX = 16 * 1024 * 1024;

const MAGIC = Buffer.from('RCPX');
const VERSION = 1;
const HEADER_SIZE_BYTES = 18;
/** The server sets this flag alone on every answer: the others belong to subscriptions, which rstow never makes. */
const FLAG_CRC_PRESENT = 1;

export type FrameDamage = 'magic' | 'version' | 'flags' | 'length' | 'crc';

export type FrameReading =
  | { kind: 'frame'; payload: Buffer; sizeBytes: number }
  | { kind: 'incomplete'; sizeBytesNeeded: number }
  | { kind: 'damaged'; reason: FrameDamage };

export function encodeFrame(payload: Uint8Array): Buffer {
  assert(payload.length <= PAYLOAD_SIZE_BYTES_MAX, 'a payload fits in a frame');
  const frame = Buffer.allocUnsafe(HEADER_SIZE_BYTES + payload.length);
  MAGIC.copy(frame, 0);
  frame.writeUInt16BE(VERSION, 4);
  frame.writeUInt16BE(FLAG_CRC_PRESENT, 6);
  frame.writeUInt16BE(0, 8);
  frame.writeUInt32BE(payload.length, 10);
  frame.writeUInt32BE(crc32c(payload), 14);
  frame.set(payload, HEADER_SIZE_BYTES);
  return frame;
}

/** Reads the frame that begins at the first byte; what follows it is not looked at. */
export function readFrame(bytes: Buffer): FrameReading {
  if (bytes.length < HEADER_SIZE_BYTES) return { kind: 'incomplete', sizeBytesNeeded: HEADER_SIZE_BYTES };
  if (!bytes.subarray(0, 4).equals(MAGIC)) return { kind: 'damaged', reason: 'magic' };
  if (bytes.readUInt16BE(4) !== VERSION) return { kind: 'damaged', reason: 'version' };
  if (bytes.readUInt16BE(6) !== FLAG_CRC_PRESENT) return { kind: 'damaged', reason: 'flags' };
  const payloadSizeBytes = bytes.readUInt32BE(10);
  if (payloadSizeBytes > PAYLOAD_SIZE_BYTES_MAX) return { kind: 'damaged', reason: 'length' };
  const payloadStart = HEADER_SIZE_BYTES + bytes.readUInt16BE(8);
  const sizeBytes = payloadStart + payloadSizeBytes;
  if (bytes.length < sizeBytes) return { kind: 'incomplete', sizeBytesNeeded: sizeBytes };
  const payload = bytes.subarray(payloadStart, sizeBytes);
  if (crc32c(payload) !== bytes.readUInt32BE(14)) return { kind: 'damaged', reason: 'crc' };
  return { kind: 'frame', payload, sizeBytes };
}

/** Cuts frames out of the chunks of a socket. Joins chunks once a frame, so that 16 MiB are not copied per chunk. */
export class FrameBuffer {
  #chunks: Buffer[] = [];
  #sizeBytes = 0;
  #sizeBytesNeeded = HEADER_SIZE_BYTES;

  add(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#sizeBytes += chunk.length;
  }

  /** Takes the next whole frame out; `incomplete` asks for more chunks, `damaged` is the end of the stream. */
  next(): FrameReading {
    if (this.#sizeBytes < this.#sizeBytesNeeded) {
      return { kind: 'incomplete', sizeBytesNeeded: this.#sizeBytesNeeded };
    }
    const bytes = this.#joined();
    const reading = readFrame(bytes);
    if (reading.kind === 'frame') {
      const rest = bytes.subarray(reading.sizeBytes);
      this.#chunks = [rest];
      this.#sizeBytes = rest.length;
    }
    this.#sizeBytesNeeded = reading.kind === 'incomplete' ? reading.sizeBytesNeeded : HEADER_SIZE_BYTES;
    return reading;
  }

  #joined(): Buffer {
    const [first] = this.#chunks;
    const bytes = first !== undefined && this.#chunks.length === 1 ? first : Buffer.concat(this.#chunks);
    this.#chunks = [bytes];
    return bytes;
  }
}
