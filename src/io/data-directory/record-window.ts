import { type FileHandle, open } from 'node:fs/promises';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { RECORD_HEADER_SIZE_BYTES } from '../../core/wal/record.ts';
import type { WalRange } from '../../core/wal/wal-range.ts';

const WINDOW_SIZE_BYTES = 1024 * 1024;

/**
 * Reads single records whose places are known. Asked for in log order, a window serves many of them with one read.
 * Fails: data-directory-replaced, where a file is shorter than it was.
 */
export class RecordWindow {
  readonly #pathOf: (segment: WalRange['segment']) => string;
  #handle: FileHandle | undefined;
  #segment: number | undefined;
  #startBytes = 0;
  #buffer: Uint8Array = Buffer.allocUnsafeSlow(WINDOW_SIZE_BYTES);
  #bytes: Uint8Array = new Uint8Array(0);

  constructor(pathOf: (segment: WalRange['segment']) => string) {
    this.#pathOf = pathOf;
  }

  /** A view that is valid until the next call. */
  async payload(record: WalRange): Promise<Uint8Array> {
    if (!this.#holds(record)) await this.#move(record);
    const from = record.startBytes - this.#startBytes;
    return this.#bytes.subarray(from + RECORD_HEADER_SIZE_BYTES, from + record.endBytes - record.startBytes);
  }

  async close(): Promise<void> {
    await this.#handle?.close();
  }

  #holds({ segment, startBytes, endBytes }: WalRange): boolean {
    const windowEndBytes = this.#startBytes + this.#bytes.length;
    return segment === this.#segment && startBytes >= this.#startBytes && endBytes <= windowEndBytes;
  }

  async #move({ segment, startBytes, endBytes }: WalRange): Promise<void> {
    const path = this.#pathOf(segment);
    if (segment !== this.#segment || this.#handle === undefined) {
      await this.#handle?.close();
      this.#handle = await open(path, 'r');
      this.#segment = segment;
    }
    if (this.#buffer.length < endBytes - startBytes) this.#buffer = Buffer.allocUnsafeSlow(endBytes - startBytes);
    const { bytesRead } = await this.#handle.read(this.#buffer, 0, this.#buffer.length, startBytes);
    if (bytesRead < endBytes - startBytes) {
      throw new RstowError('data-directory-replaced', `${path} ends before byte ${endBytes} that it had`, { details: { path } });
    }
    this.#startBytes = startBytes;
    this.#bytes = this.#buffer.subarray(0, bytesRead);
  }
}
