import type { Socket } from 'node:net';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { readAnswer, type Answer } from './answer.ts';
import { closedError, damagedAnswerError, serverError, socketError, timeoutError } from './connection-error.ts';
import { encodeFrame, FrameBuffer, PAYLOAD_SIZE_BYTES_MAX } from './frame.ts';

type Waiting = {
  op: string;
  resolve: (resultText: string) => void;
  reject: (reason: unknown) => void;
  timer: NodeJS.Timeout;
};

export type RstmdbClientOptions = { address: string; requestTimeoutMs: number; signal?: AbortSignal };

/**
 * One connection. Requests may overlap: they are answered in the order sent. Whatever breaks it
 * (a timeout too, for the answers behind it would come late as well) ends it for all that wait and for good.
 */
export class RstmdbClient {
  readonly address: string;
  readonly #socket: Socket;
  readonly #options: RstmdbClientOptions;
  readonly #frames = new FrameBuffer();
  readonly #waiting = new Map<string, Waiting>();
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
    this.#lastId += 1;
    const id = String(this.#lastId);
    const payload = Buffer.from(`{"type":"request","id":"${id}","op":"${op}","params":${paramsText}}`);
    if (payload.length > PAYLOAD_SIZE_BYTES_MAX) throw tooLargeError(op, payload.length);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#onTimeout(id, timeoutMs), timeoutMs);
      this.#waiting.set(id, { op, resolve, reject, timer });
      this.#send(encodeFrame(payload));
    });
  }

  /** Ends the connection; requests that still wait fail. Twice: nothing more happens. */
  async close(): Promise<void> {
    this.#fail(closedError(this.address, undefined));
    if (!this.#socket.closed) await new Promise((resolve) => this.#socket.once('close', resolve));
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
    while (this.#end === undefined) {
      const reading = this.#frames.next();
      if (reading.kind === 'incomplete') return;
      if (reading.kind === 'damaged') this.#fail(damagedAnswerError(this.address, reading.reason));
      else this.#settle(readAnswer(reading.payload.toString('utf8')));
    }
  }

  #settle(answer: Answer): void {
    if (answer.kind === 'damaged') return this.#fail(damagedAnswerError(this.address, 'json'));
    const waiting = this.#waiting.get(answer.id);
    if (waiting === undefined) return this.#fail(damagedAnswerError(this.address, 'id'));
    this.#waiting.delete(answer.id);
    clearTimeout(waiting.timer);
    if (answer.kind === 'ok') waiting.resolve(answer.resultText);
    else waiting.reject(serverError(this.address, waiting.op, answer.error));
  }

  #fail(reason: unknown): void {
    if (this.#end !== undefined) return;
    this.#end = { reason };
    this.#options.signal?.removeEventListener('abort', this.#onAbort);
    this.#socket.destroy();
    for (const { timer, reject } of this.#waiting.values()) {
      clearTimeout(timer);
      reject(reason);
    }
    this.#waiting.clear();
  }

  #oldestOp(): string | undefined {
    const [oldest] = this.#waiting.values();
    return oldest?.op;
  }
}

function tooLargeError(op: string, sizeBytes: number): RstowError {
  const details = { op, sizeBytes, sizeBytesMax: PAYLOAD_SIZE_BYTES_MAX };
  return new RstowError('invalid-input', `a ${op} of ${sizeBytes} bytes is above the ${PAYLOAD_SIZE_BYTES_MAX} that the server reads`, {
    details,
  });
}
