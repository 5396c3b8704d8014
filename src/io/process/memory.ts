import { readFile } from 'node:fs/promises';

/** Bytes that a new process could use without swapping. @see proc_meminfo(5) MemAvailable */
export async function availableMemoryBytes(): Promise<number> {
  const text = await readFile('/proc/meminfo', 'utf8');
  const kibibytes = /^MemAvailable:\s+([0-9]+) kB$/m.exec(text)?.[1];
  return kibibytes === undefined ? Number.POSITIVE_INFINITY : Number(kibibytes) * 1024;
}
