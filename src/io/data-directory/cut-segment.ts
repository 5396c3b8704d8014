import { open } from 'node:fs/promises';

/** Ends a segment's file behind its last whole record, durably. Never one that a server has open. Twice: no-op. */
export async function cutSegment(path: string, endBytes: number): Promise<void> {
  const handle = await open(path, 'r+');
  try {
    if ((await handle.stat()).size > endBytes) await handle.truncate(endBytes);
    await handle.sync();
  } finally {
    await handle.close();
  }
}
