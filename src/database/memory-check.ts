import type { DatabaseConfig } from '../config/agent-config.ts';
import { RstowError } from '../core/errors/rstow-error.ts';
import { sizeText } from '../core/text/figures.ts';
import { availableMemoryBytes } from '../io/process/memory.ts';

/** Measured: a server that replays 200 MB of log peaks at 1.13 GB. */
const MEMORY_PER_WAL_BYTE = 5.6;
const MEMORY_RESERVE_BYTES = 64 * 1024 * 1024;

/** Why a second server that replays a log of so many bytes should not be started here; undefined where it fits. */
export async function memoryShortage(walBytes: number, { rehearsal }: DatabaseConfig): Promise<RstowError | undefined> {
  const neededBytes = Math.ceil(walBytes * MEMORY_PER_WAL_BYTE) + MEMORY_RESERVE_BYTES;
  const limitBytes = rehearsal.container?.memoryBytes ?? Number.POSITIVE_INFINITY;
  const availableBytes = Math.min(await availableMemoryBytes(), limitBytes);
  if (availableBytes >= neededBytes) return undefined;
  const sentence = `a server needs about ${sizeText(neededBytes)} of memory to replay this log, and ${sizeText(availableBytes)} are free`;
  return new RstowError('not-enough-memory', sentence, { details: { neededBytes, availableBytes } });
}
