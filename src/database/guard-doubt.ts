import { stat } from 'node:fs/promises';
import type { GuardDecision } from '../core/guard/guard-decision.ts';
import { createRecordScanner } from '../core/wal/record-scanner.ts';
import { recordTypes } from '../core/wal/record.ts';
import type { SegmentId } from '../core/wal/wal-offset.ts';
import { crc32c } from '../io/checksum/checksum.ts';
import { readRange } from '../io/data-directory/range-reader.ts';
import type { SegmentFile } from '../io/data-directory/segments.ts';
import type { GuardView } from './guard.ts';

/** What is written while the server that has deleted segments still runs comes within this time, or nobody looked for longer. */
const UNSEEN_MS = 3_000;

/**
 * A server that is down and that nobody has seen may have started without what its forerunner had deleted. If clients have
 * written after the deletion, the log itself tells: only a server that lacked an instance can have created it once more.
 * Then what was deleted is lost. Reads the log, if there is a doubt.
 */
export async function doubtLink(view: GuardView): Promise<GuardView> {
  const { decision, server, wal, pins, sight } = view;
  if (decision.kind !== 'act' || decision.linkBack.length === 0 || server !== 'down') return view;
  const missing = new Set(decision.linkBack);
  const deletedAtMs = Math.max(...sight.pins.filter(({ segment }) => missing.has(segment)).map(({ changedAtMs }) => changedAtMs));
  const newest = wal.at(-1);
  if (newest === undefined || (await stat(newest.path)).mtimeMs < deletedAtMs + UNSEEN_MS) return view;
  if (!(await createsAgain([...wal, ...pins.filter(({ segment }) => missing.has(segment))], missing))) return view;
  const lost = [...new Set([...decision.lost, ...missing])].sort((a, b) => a - b);
  const doubted: GuardDecision = { ...decision, linkBack: [], lost };
  return { ...view, decision: doubted };
}

/** Whether a segment behind the missing ones creates an instance that one of them has created, and nobody has deleted since. */
async function createsAgain(files: readonly SegmentFile[], missing: ReadonlySet<SegmentId>): Promise<boolean> {
  const there = new Set<string>();
  for (const file of files.toSorted((a, b) => a.segment - b.segment)) {
    const isMissing = missing.has(file.segment);
    if (!isMissing && there.size === 0) continue;
    for (const { type, id } of await instanceRecords(file)) {
      if (type === recordTypes.deleteInstance) there.delete(id);
      else if (isMissing) there.add(id);
      else if (there.has(id)) return true;
    }
  }
  return false;
}

/** The creations and deletions in a segment, in their order. */
async function instanceRecords({ path, sizeBytes }: SegmentFile): Promise<{ type: number; id: string }[]> {
  const records: { type: number; id: string }[] = [];
  const scanner = createRecordScanner({
    crc32c,
    startBytes: 0,
    onRecord: ({ type, payload }) => {
      if (type !== recordTypes.createInstance && type !== recordTypes.deleteInstance) return;
      const { instance_id: id } = JSON.parse(Buffer.from(payload).toString('utf8')) as { instance_id: string };
      records.push({ type, id });
    },
  });
  for await (const chunk of readRange({ source: { kind: 'path', path }, startBytes: 0, endBytes: sizeBytes })) scanner.push(chunk);
  return records;
}
