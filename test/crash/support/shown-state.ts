/** What a server shows, thing by thing: so that a failure says what differs. */
import { canonicalJson } from '../../../src/core/json/canonical-json.ts';
import { openServer } from '../../../src/database/database.ts';
import { readLiveState } from '../../../src/replay/live-digest.ts';
import type { DatabaseStack } from '../../support/database-stack.ts';

/** Machines and instances by their names, each as one text. */
export type ShownState = ReadonlyMap<string, string>;

const NAMED_MAX = 5;

export async function shownState({ settings, config }: DatabaseStack): Promise<ShownState> {
  const shown = new Map<string, string>();
  const caller = { signal: new AbortController().signal, report: () => undefined };
  await readLiveState(openServer(settings, config.timing), caller, () => ({
    addMachine: ({ machine, version, definitionText }) => void shown.set(`machine ${machine} ${version}`, canonicalJson(definitionText)),
    addInstance: ({ id, machine, version, state, ctxText }) =>
      void shown.set(id, `${state}, a ${machine} ${version}, ${canonicalJson(ctxText)}`),
  }));
  return shown;
}

/** Sentences about the first few; empty where both are the same. */
export function differences(before: ShownState, now: ShownState): string[] {
  const names = new Set([...before.keys(), ...now.keys()]);
  const differing = [...names].filter((name) => before.get(name) !== now.get(name));
  const named = differing
    .slice(0, NAMED_MAX)
    .map((name) => `${name} was ${before.get(name) ?? 'absent'}, and is ${now.get(name) ?? 'absent'}`);
  return differing.length > NAMED_MAX ? [`${differing.length} of ${names.size} differ`, ...named] : named;
}
