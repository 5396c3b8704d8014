import { readLogEntry } from './log-entry.ts';

/**
 * What the records of a part of the log say first of an instance: `born` and `ended` by its first creation or deletion there, `changed` if
 * there are only events.
 */
export type InstanceFate = 'born' | 'ended' | 'changed';

export type InstanceFates = {
  /** Takes the records in log order. */
  see(payload: Uint8Array): void;
  of(id: string): InstanceFate | undefined;
  /** The instances that were `changed` and have been `born` since this was asked last: no server knew them before. */
  takeReborn(): string[];
};

/**
 * Tells which instances must not stand in front of a part of the log. A server writes a creation only of an instance that it doesn't know:
 * one whose first creation there has no deletion before it was not there, whatever events come earlier. They are of a life that a restart
 * without the log's beginning has ended, and a replay passes them over as the server did.
 * @see rstmdb-core 0.3.0 src/engine.rs replay_entry
 */
export function createInstanceFates(): InstanceFates {
  const fates = new Map<string, InstanceFate>();
  let reborn: string[] = [];
  return {
    see(payload) {
      const entry = readLogEntry(payload);
      if (entry === undefined || !('id' in entry)) return;
      const before = fates.get(entry.id);
      if (before === 'born' || before === 'ended') return;
      if (entry.kind === 'create_instance' && before === 'changed') reborn.push(entry.id);
      fates.set(entry.id, fateBy(entry.kind));
    },
    of: (id) => fates.get(id),
    takeReborn() {
      const taken = reborn;
      reborn = [];
      return taken;
    },
  };
}

function fateBy(kind: 'create_instance' | 'apply_event' | 'delete_instance'): InstanceFate {
  if (kind === 'create_instance') return 'born';
  return kind === 'delete_instance' ? 'ended' : 'changed';
}
