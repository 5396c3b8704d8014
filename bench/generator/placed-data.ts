import { appendFile, copyFile, cp, link, mkdir, open, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { type Extent, segmentFileName } from '../../src/core/wal/wal-offset.ts';
import type { DataSet } from './data-set.ts';

/** Lays the log as it was before it grew into `dataDir`: finished segments as hard links, for nobody writes them. */
export async function placeBase(data: DataSet, dataDir: string): Promise<void> {
  const walDir = join(dataDir, 'wal');
  await mkdir(walDir, { recursive: true });
  for (const { segment, endBytes } of data.base) {
    const [from, to] = [join(data.walDir, segmentFileName(segment)), join(walDir, segmentFileName(segment))];
    if (grownEnd(data, segment) === endBytes) {
      await link(from, to);
    } else {
      await copyFile(from, to);
      await truncate(to, endBytes);
    }
  }
  if (data.snapshotsDir !== undefined) await cp(data.snapshotsDir, join(dataDir, 'snapshots'), { recursive: true });
}

/** Appends what the log grew by. */
export async function growPlaced(data: DataSet, dataDir: string): Promise<void> {
  const baseEnds = new Map(data.base.map(({ segment, endBytes }) => [segment, endBytes]));
  for (const { segment, endBytes } of data.grown) {
    const startBytes = baseEnds.get(segment) ?? 0;
    if (startBytes === endBytes) continue;
    const fileName = segmentFileName(segment);
    await appendFile(join(dataDir, 'wal', fileName), await readTail(join(data.walDir, fileName), startBytes, endBytes));
  }
}

function grownEnd(data: DataSet, segment: Extent['segment']): number | undefined {
  return data.grown.find((extent) => extent.segment === segment)?.endBytes;
}

async function readTail(path: string, startBytes: number, endBytes: number): Promise<Buffer> {
  const handle = await open(path, 'r');
  try {
    const { buffer } = await handle.read(Buffer.alloc(endBytes - startBytes), 0, endBytes - startBytes, startBytes);
    return buffer;
  } finally {
    await handle.close();
  }
}
