/**
 * The framing of RCP, rstmdb's wire protocol: an 18-byte header and a JSON payload, big-endian.
 * @see rstmdb-protocol 0.3.0 src/frame.rs
 */
import { crc32c } from '@node-rs/crc32';
import { assert, RstowError } from '../../core/errors/rstow-error.ts';
import { arrayElements, topLevelMembers } from '../../core/json/canonical-json.ts';
import { parseWalOffset, type WalOffset } from '../../core/wal/wal-offset.ts';

/** The server closes the connection, with no answer, on a longer one. */
export const PAYLOAD_SIZE_BYTES_MAX = 16 * 1024 * 1024;

const MAGIC = Buffer.from('RCPX');
const VERSION = 1;
const HEADER_SIZE_BYTES = 18;
/** The server sets this flag alone on every answer: the others belong to subscriptions, which rstow never makes. */
const FLAG_CRC_PRESENT = 1;

export type FrameDamage = 'magic' | 'version' | 'flags' | 'length' | 'crc';

type FrameReading =
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

/** What the server says about a request that it refuses. */
export type ServerError = { serverCode: string; message: string; retryable: boolean };

/** `resultText` is the result as the server wrote it: parsing it would round big integers and lose `1.0`. */
export type Answer =
  { kind: 'ok'; id: string; resultText: string } | { kind: 'refused'; id: string; error: ServerError } | { kind: 'damaged' };

/** An object's members by name, each value as raw JSON text. */
type RawMembers = ReadonlyMap<string, string>;

/** Reads the payload of one frame. */
export function readAnswer(payloadText: string): Answer {
  try {
    const members = rawMembers(payloadText);
    const id = textMember(members, 'id');
    if (textMember(members, 'status') === 'ok') return { kind: 'ok', id, resultText: rawMember(members, 'result') };
    const error = rawMembers(rawMember(members, 'error'));
    const retryable = error.get('retryable') === 'true';
    return { kind: 'refused', id, error: { serverCode: textMember(error, 'code'), message: textMember(error, 'message'), retryable } };
  } catch {
    // Whatever is wrong with it, an answer that can't be read means the same for its reader.
    return { kind: 'damaged' };
  }
}

/** An object's members. Fails: server-version-unsupported, as all of these do, where the answer has another shape. */
export function rawMembers(text: string): RawMembers {
  return parsed(text, topLevelMembers);
}

/** An array's elements, each as raw JSON text. */
export function rawElements(text: string): string[] {
  return parsed(text, arrayElements);
}

export function rawMember(members: RawMembers, name: string): string {
  const text = members.get(name);
  if (text === undefined) throw unexpectedMember(name);
  return text;
}

export function textMember(members: RawMembers, name: string): string {
  const value: unknown = JSON.parse(rawMember(members, name));
  if (typeof value !== 'string') throw unexpectedMember(name);
  return value;
}

export function countMember(members: RawMembers, name: string): number {
  const value = Number(rawMember(members, name));
  if (!Number.isSafeInteger(value) || value < 0) throw unexpectedMember(name);
  return value;
}

export function offsetMember(members: RawMembers, name: string): WalOffset {
  const offset = parseWalOffset(rawMember(members, name));
  if (offset === undefined) throw unexpectedMember(name);
  return offset;
}

export function unexpectedMember(name: string): RstowError {
  return new RstowError('server-version-unsupported', `the server's answer has no '${name}' that rstow understands`, {
    details: { member: name },
  });
}

function parsed<Parts>(text: string, parse: (text: string) => Parts): Parts {
  try {
    return parse(text);
  } catch (error) {
    throw new RstowError('server-version-unsupported', "the server's answer has another shape than rstow understands", { cause: error });
  }
}

/** JSON text of an object whose members are raw JSON texts; undefined ones are left out. */
export function objectText(members: Record<string, string | undefined>): string {
  const texts = Object.entries(members).flatMap(([name, text]) => (text === undefined ? [] : [`${JSON.stringify(name)}:${text}`]));
  return `{${texts.join(',')}}`;
}
