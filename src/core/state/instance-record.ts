import { canonicalMembers, type CanonicalJson } from '../json/canonical-json.ts';

/** What an instance's present record says about it; its machine stands in the record that created it. */
export type PresentState = { state: string; ctx: CanonicalJson };

const NULL = 'null' as CanonicalJson;
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * State and context after a create_instance or apply_event record. Undefined where the payload is neither; the
 * server would refuse to start on one that it can't read.
 */
export function readPresentState(payload: Uint8Array): PresentState | undefined {
  const members = membersOf(payload);
  switch (members?.get('type')) {
    case '"create_instance"':
      return presentState(members.get('initial_state'), members.get('initial_ctx'));
    case '"apply_event"':
      return presentState(members.get('to_state'), members.get('ctx'));
    default:
      return undefined;
  }
}

function membersOf(payload: Uint8Array): Map<string, CanonicalJson> | undefined {
  try {
    return canonicalMembers(decoder.decode(payload));
  } catch {
    // No UTF-8, or no JSON object: to a reader of records both are a payload that says nothing.
    return undefined;
  }
}

function presentState(stateText: string | undefined, ctx: CanonicalJson | undefined): PresentState | undefined {
  const state: unknown = stateText === undefined ? undefined : JSON.parse(stateText);
  return typeof state === 'string' ? { state, ctx: ctx ?? NULL } : undefined;
}
