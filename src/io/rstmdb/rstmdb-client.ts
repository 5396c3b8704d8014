import type { Socket } from 'node:net';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { type Answer, encodeFrame, FrameBuffer, PAYLOAD_SIZE_BYTES_MAX, readAnswer } from './protocol.ts';
import { closedError, damagedAnswerError, serverError, socketError, timeoutError } from './connection-error.ts';

type Waiting = {
  op: string;
  frame: Buffer;
  timeoutMs: number;
  resolve: (resultText: string) => void;
  reject: (reason: unknown) => void;
  /** Undefined until it is sent. */
  timer: NodeJS.Timeout | undefined;
};

export type RstmdbClientOptions = {
  address: string;
  requestTimeoutMs: number;
  signal?: AbortSignal | undefined;
  /** Where the server is known to keep answers back. @see TLS_PACE */
  pace?: RequestPace;
};

/** How many requests may be unanswered at once, and after how much silence the server is woken by a PING. */
export type RequestPace = { sentMax: number; sentSizeBytesMax: number; wakeAfterMs: number };

/**
 * rstmdb 0.3.0 doesn't flush over TLS: what its socket doesn't take at once, or what comes after some 128 answers without
 * a pause, lies in its buffer until the next request comes in. A small burst is answered whole; a PING frees the rest.
 * @see tokio-rustls 0.26 src/common/mod.rs poll_write
 */
export const TLS_PACE: RequestPace = { sentMax: 64, sentSizeBytesMax: 8 * 1024, wakeAfterMs: 250 };

/**
 * One connection. Requests may overlap: they are answered in the order sent. Whatever breaks it
 * (a timeout too, for the answers behind it would come late as well) ends it for all that wait and for good.
 */
export class RstmdbClient {
  readonly address: string;
  readonly #socket: Socket;
  readonly #options: RstmdbClientOptions;
  readonly #frames = new FrameBuffer();
  /** In the order in which they were asked for: those that are sent stand before those that are not. */
  readonly #waiting = new Map<string, Waiting>();
  readonly #unsent: string[] = [];
  readonly #wakers = new Set<string>();
  #sentBytes = 0;
  #waker: NodeJS.Timeout | undefined;
  #lastId = 0;
  #end: { reason: unknown } | undefined;

  constructor(socket: Socket, options: RstmdbClientOptions) {
    this.address = options.address;
    this.#socket = socket;
    this.#options = options;
    socket.on('data', (chunk: Buffer) => this.#read(chunk));
    socket.on('error', (error) => this.#fail(socketError(this.address, error)));
    socket.on('close', () => this.#fail(closedError(this.address, this.#oldestOp())));
    options.signal?.addEventListener('abort', this.#onAbort);
    if (options.signal?.aborted === true) this.#onAbort();
  }

  /**
   * Sends one request; the result comes as raw JSON text.
   * Fails: server-unreachable, server-refused, failed (both with `details.serverCode`), invalid-input (above 16 MiB).
   */
  async request(op: string, paramsText = '{}', timeoutMs: number = this.#options.requestTimeoutMs): Promise<string> {
    if (this.#end !== undefined) throw this.#end.reason;
    const id = this.#nextId();
    const payload = payloadOf(id, op, paramsText);
    if (payload.length > PAYLOAD_SIZE_BYTES_MAX) throw tooLargeError(op, payload.length);
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { op, frame: encodeFrame(payload), timeoutMs, resolve, reject, timer: undefined });
      this.#unsent.push(id);
      this.#sendNext();
    });
  }

  /** Ends the connection; requests that still wait fail. Twice: nothing more happens. */
  async close(): Promise<void> {
    this.#fail(closedError(this.address, undefined));
    if (!this.#socket.closed) await new Promise((resolve) => this.#socket.once('close', resolve));
  }

  #nextId(): string {
    this.#lastId += 1;
    return String(this.#lastId);
  }

  /** Sends as many of the waiting requests as the pace allows, and one however large it is. */
  #sendNext(): void {
    for (let id = this.#unsent[0]; id !== undefined && this.#hasRoom(id); id = this.#unsent[0]) {
      this.#unsent.shift();
      const request = this.#waiting.get(id) as Waiting;
      request.timer = setTimeout(() => this.#onTimeout(id, request.timeoutMs), request.timeoutMs);
      this.#sentBytes += request.frame.length;
      this.#send(request.frame);
    }
    this.#wakeLater();
  }

  #hasRoom(id: string): boolean {
    const { pace } = this.#options;
    const sent = this.#waiting.size - this.#unsent.length;
    if (pace === undefined || sent === 0) return true;
    return sent < pace.sentMax && this.#sentBytes + (this.#waiting.get(id) as Waiting).frame.length <= pace.sentSizeBytesMax;
  }

  /** Counted from the last sign of life. */
  #wakeLater(): void {
    clearTimeout(this.#waker);
    const { pace } = this.#options;
    if (pace === undefined || this.#waiting.size === 0) return;
    this.#waker = setTimeout(() => {
      const id = this.#nextId();
      this.#wakers.add(id);
      this.#send(encodeFrame(payloadOf(id, 'PING', '{}')));
      this.#wakeLater();
    }, pace.wakeAfterMs);
  }

  /** Requests of one turn of the loop go out together: a system call for each would cost more than the answers. */
  #send(frame: Buffer): void {
    if (this.#socket.writableCorked === 0) {
      this.#socket.cork();
      setImmediate(() => this.#socket.uncork());
    }
    this.#socket.write(frame);
  }

  readonly #onAbort = (): void => this.#fail(this.#options.signal?.reason);

  /** Where this process itself was busy, the answer may lie unread in the socket: one more turn of the loop reads it. */
  #onTimeout(id: string, timeoutMs: number): void {
    setImmediate(() => {
      const waiting = this.#waiting.get(id);
      if (waiting !== undefined) this.#fail(timeoutError(this.address, waiting.op, timeoutMs));
    });
  }

  #read(chunk: Buffer): void {
    this.#frames.add(chunk);
    this.#wakeLater();
    while (this.#end === undefined) {
      const reading = this.#frames.next();
      if (reading.kind === 'incomplete') return;
      if (reading.kind === 'damaged') this.#fail(damagedAnswerError(this.address, reading.reason));
      else this.#settle(readAnswer(reading.payload.toString('utf8')));
    }
  }

  #settle(answer: Answer): void {
    if (answer.kind === 'damaged') return this.#fail(damagedAnswerError(this.address, 'json'));
    if (this.#wakers.delete(answer.id)) return;
    const waiting = this.#waiting.get(answer.id);
    if (waiting?.timer === undefined) return this.#fail(damagedAnswerError(this.address, 'id'));
    this.#waiting.delete(answer.id);
    clearTimeout(waiting.timer);
    this.#sentBytes -= waiting.frame.length;
    this.#sendNext();
    if (answer.kind === 'ok') waiting.resolve(answer.resultText);
    else waiting.reject(serverError(this.address, waiting.op, answer.error));
  }

  #fail(reason: unknown): void {
    if (this.#end !== undefined) return;
    this.#end = { reason };
    this.#options.signal?.removeEventListener('abort', this.#onAbort);
    this.#socket.destroy();
    clearTimeout(this.#waker);
    for (const { timer, reject } of this.#waiting.values()) {
      clearTimeout(timer);
      reject(reason);
    }
    this.#waiting.clear();
    this.#unsent.length = 0;
  }

  #oldestOp(): string | undefined {
    const [oldest] = this.#waiting.values();
    return oldest?.op;
  }
}

function payloadOf(id: string, op: string, paramsText: string): Buffer {
  return Buffer.from(`{"type":"request","id":"${id}","op":"${op}","params":${paramsText}}`);
}

function tooLargeError(op: string, sizeBytes: number): RstowError {
  const details = { op, sizeBytes, sizeBytesMax: PAYLOAD_SIZE_BYTES_MAX };
  return new RstowError('invalid-input', `a ${op} of ${sizeBytes} bytes is above the ${PAYLOAD_SIZE_BYTES_MAX} that the server reads`, {
    details,
  });
}
