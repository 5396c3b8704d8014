import type { CanonicalJson } from '../json/canonical-json.ts';
import { topLevelMembers } from '../json/canonical-json.ts';
import { readPresentState } from '../state/kept-instance.ts';
import { readLogEntry } from '../state/log-entry.ts';
import { sameState } from '../state/server-comparison.ts';
import type { RecordView } from '../wal/record-scanner.ts';
import { makeWalOffset, type SegmentId, type WalOffset } from '../wal/wal-offset.ts';
import { textOf } from './log-record.ts';

type Present = { state: string; ctx: CanonicalJson };

/** What has to be asked of a server, so that it does again what a record says, and what that came to. */
export type LifeStep = {
  /** 0 is the creation. */
  index: number;
  /** Undefined for the creation. */
  event: string | undefined;
  eventId: string | undefined;
  /** The event's payload, or the context that the instance was created with: JSON as it stands in the log. */
  dataText: string;
  after: Present;
};

type Seen = Pick<RecordView, 'startBytes' | 'payload'>;

const decoder = new TextDecoder();

/** Takes the records from the segment of the creation on, in their order; gives those of this life. `created`: where it begins. */
export function createStepReader(id: string, created: WalOffset): (segment: SegmentId, record: Seen) => LifeStep | undefined {
  let index = -1;
  return (segment, { startBytes, payload }) => {
    const offset = makeWalOffset(segment, startBytes);
    if (offset < created) return undefined;
    const entry = readLogEntry(payload);
    if (entry === undefined || !('id' in entry) || entry.id !== id) return undefined;
    // A second creation of what is there changes nothing.
    if (offset !== created && entry.kind !== 'apply_event') return undefined;
    const after = readPresentState(payload);
    if (after === undefined) return undefined;
    index += 1;
    const members = topLevelMembers(decoder.decode(payload));
    const dataText = members.get(index === 0 ? 'initial_ctx' : 'payload') ?? 'null';
    return { index, event: textOf(members.get('event')), eventId: textOf(members.get('event_id')), dataText, after };
  };
}

type StepSearch = {
  see(step: LifeStep): void;
  /** Undefined if no step leaves the instance so. */
  found(): number | undefined;
};

/** How far a replay has come, by what it left: the last step that leaves it so, for whatever is between two such changed nothing. */
export function searchStep(live: Present): StepSearch {
  let found: number | undefined;
  return {
    see: ({ index, after }) => {
      if (after.state === live.state && sameState(after.ctx, live.ctx)) found = index;
    },
    found: () => found,
  };
}
