import { randomUUID } from 'node:crypto';
import { Writable } from 'node:stream';
import type { CompletedPart } from '@aws-sdk/client-s3';
import { assert, RstowError } from '../../core/errors/rstow-error.ts';
import { assertObjectKey } from './object-key.ts';
import type { StagedObject } from './port.ts';
import { checksumOf, createChecksum } from './s3-checksum.ts';
import {
  abortUpload,
  completeUpload,
  createUpload,
  PART_PATIENCE,
  type Parts,
  probeConditionalCompletion,
  uploadPart,
} from './s3-multipart.ts';
import type { S3Place } from './s3-place.ts';
import { putWhole } from './s3-put.ts';
import { tried } from './wrap/retry.ts';

const MEBIBYTE = 1024 * 1024;

/** S3 takes 10,000 parts of an object, and none but the last may be smaller than 5 MiB. */
const PARTS_MAX = 10_000;

/** What is smaller is sent whole. Larger parts would only take more memory. */
const PART_SIZE_BYTES = 8 * MEBIBYTE;

/** From the 1,001st part on, so that 570 GiB can be sent. */
const SMALL_PARTS = 1_000;
const LARGE_PART_SIZE_BYTES = 64 * MEBIBYTE;

/** What is on its way, of all objects of a repository together; one large part is let through alone. */
const SENT_BYTES_MAX = 48 * MEBIBYTE;

export type Uploads = {
  stage(expectedKey: string): StagedObject;
};

/** Big objects are sent in parts while they come, several parts at once. */
export function createUploads(place: S3Place): Uploads {
  const window = createByteWindow(SENT_BYTES_MAX);
  let probed: Promise<void> | undefined;
  const probe = async (): Promise<void> => {
    probed ??= probeConditionalCompletion(place);
    try {
      await probed;
    } catch (error) {
      probed = undefined;
      throw error;
    }
  };
  return { stage: (expectedKey) => stageObject({ place, window, probe }, expectedKey) };
}

type Sending = { place: S3Place; window: ByteWindow; probe: () => Promise<void> };

function stageObject(sending: Sending, expectedKey: string): StagedObject {
  assertObjectKey(expectedKey);
  const { place } = sending;
  const id = randomUUID();
  const held = createHeldBytes();
  let upload: Upload | undefined;
  let commits = 0;
  const sendHeld = (): Promise<void> => {
    upload ??= beginUpload(sending, { key: expectedKey, id });
    return upload.send(held);
  };
  const sink = new Writable({
    highWaterMark: MEBIBYTE,
    write(chunk: Buffer, _encoding, callback) {
      const isFull = held.add(chunk) >= (upload?.partSizeBytes() ?? PART_SIZE_BYTES);
      (isFull ? sendHeld() : Promise.resolve()).then(() => callback(), callback);
    },
    final(callback) {
      const isInParts = upload !== undefined;
      (isInParts && held.sizeBytes() > 0 ? sendHeld() : Promise.resolve()).then(() => upload?.sent()).then(() => callback(), callback);
    },
  });
  return {
    sink,
    takes: (key) => upload === undefined || key === expectedKey,
    async commit(key) {
      assertObjectKey(key);
      assert(sink.writableFinished, 'a staged object is committed after its sink has finished');
      commits += 1;
      const isAgain = commits > 1;
      if (upload === undefined) return putWhole(place, { key, bytes: held.whole(), id, isAgain });
      assert(key === expectedKey, 'an object is committed under the key that it was sent to');
      return upload.complete(isAgain);
    },
    async discard() {
      sink.on('error', () => undefined).destroy();
      await upload?.abort();
    },
  };
}

type HeldBytes = { add(chunk: Buffer): number; sizeBytes(): number; take(): Buffer; whole(): Buffer };

/** Copies: a small chunk may lie in a large buffer, which it would keep. */
function createHeldBytes(): HeldBytes {
  let chunks: Buffer[] = [];
  let sizeBytes = 0;
  return {
    add(chunk) {
      chunks.push(Buffer.from(chunk));
      sizeBytes += chunk.length;
      return sizeBytes;
    },
    sizeBytes: () => sizeBytes,
    whole: () => Buffer.concat(chunks),
    take() {
      const bytes = Buffer.concat(chunks);
      chunks = [];
      sizeBytes = 0;
      return bytes;
    },
  };
}

type Upload = {
  /** Of the next part. */
  partSizeBytes(): number;
  /** Returns when the part is on its way; fails if an earlier one has failed. */
  send(held: HeldBytes): Promise<void>;
  /** Returns when all parts have arrived. */
  sent(): Promise<void>;
  /** `isAgain`: an earlier call may have succeeded, though its answer was lost. */
  complete(isAgain: boolean): Promise<'stored' | 'exists'>;
  /** Twice, or after it was completed: no-op. */
  abort(): Promise<void>;
};

function beginUpload({ place, window, probe }: Sending, object: { key: string; id: string }): Upload {
  const begun = probe().then(() => createUpload(place, object));
  begun.catch(() => undefined);
  const sender = createPartSender({ place, window }, { key: object.key, begun });
  let isOpen = true;
  return {
    partSizeBytes: sender.partSizeBytes,
    send: sender.send,
    sent: sender.sent,
    async complete(isAgain) {
      const outcome = await completeUpload(place, { ...object, isAgain, uploadId: await begun, ...sender.parts() });
      isOpen = outcome !== 'stored';
      return outcome;
    },
    async abort() {
      if (!isOpen) return;
      isOpen = false;
      await sender.stop();
      const uploadId = await begun.catch(() => undefined);
      if (uploadId !== undefined) await abortUpload(place, object.key, uploadId);
    },
  };
}

type PartSender = Pick<Upload, 'partSizeBytes' | 'send' | 'sent'> & { parts(): Parts; stop(): Promise<void> };

/** If one fails for good, the others are given up. */
function createPartSender({ place, window }: Pick<Sending, 'place' | 'window'>, of: { key: string; begun: Promise<string> }): PartSender {
  const { key, begun } = of;
  const ending = new AbortController();
  const { signal } = ending;
  const whole = createChecksum();
  const parts: CompletedPart[] = [];
  const sends: Promise<void>[] = [];
  let failure: unknown;
  const sendPart = async (number: number, bytes: Buffer): Promise<void> => {
    const part = { key, uploadId: await begun, number, bytes, checksum: checksumOf(bytes), signal };
    parts[number - 1] = await tried(() => uploadPart(place, part), { ...PART_PATIENCE, signal });
  };
  const sent = async (): Promise<void> => {
    await Promise.allSettled(sends);
    if (failure !== undefined) throw failure as Error;
  };
  return {
    partSizeBytes: () => (sends.length < SMALL_PARTS ? PART_SIZE_BYTES : LARGE_PART_SIZE_BYTES),
    async send(held) {
      if (sends.length === PARTS_MAX) throw tooLarge(place, key);
      await window.enter(held.sizeBytes());
      const bytes = held.take();
      whole.update(bytes);
      const sending = sendPart(sends.length + 1, bytes).finally(() => window.leave(bytes.length));
      sends.push(sending);
      // The next part, or the end, reports it.
      sending.catch((error: unknown) => {
        failure ??= error;
        ending.abort();
      });
      if (failure !== undefined) await sent();
    },
    sent,
    parts: () => ({ parts, checksum: whole.base64() }),
    async stop() {
      ending.abort();
      await Promise.allSettled(sends);
    },
  };
}

function tooLarge({ description }: S3Place, key: string): RstowError {
  const sentence = `${key} is larger than what can be sent to ${description} in ${PARTS_MAX} parts`;
  return new RstowError('object-too-large', sentence, { details: { key } });
}

type ByteWindow = { enter(sizeBytes: number): Promise<void>; leave(sizeBytes: number): void };

/** Lets so many bytes through at once, in the order in which they came. */
function createByteWindow(sizeBytesMax: number): ByteWindow {
  let insideBytes = 0;
  const waiting: { sizeBytes: number; enter: () => void }[] = [];
  const admit = (): void => {
    for (let first = waiting[0]; first !== undefined && hasRoom(first.sizeBytes); first = waiting[0]) {
      waiting.shift();
      insideBytes += first.sizeBytes;
      first.enter();
    }
  };
  const hasRoom = (sizeBytes: number): boolean => insideBytes === 0 || insideBytes + sizeBytes <= sizeBytesMax;
  return {
    enter: (sizeBytes) =>
      new Promise((resolve) => {
        waiting.push({ sizeBytes, enter: resolve });
        admit();
      }),
    leave(sizeBytes) {
      insideBytes -= sizeBytes;
      admit();
    },
  };
}
