import { type CanonicalJson, canonicalJson } from '../core/json/canonical-json.ts';
import { readPresentState } from '../core/state/kept-instance.ts';
import { normaliseDefinition } from '../core/state/machine-definition.ts';
import type { ReplayIndex } from '../core/state/replay-index.ts';
import { sameState } from '../core/state/server-comparison.ts';
import { instanceHash } from '../core/state/state-digest.ts';
import { RecordWindow } from '../io/data-directory/range-reader.ts';
import type { Instance } from '../io/rstmdb/instances.ts';
import type { LiveStateConsumer } from '../io/rstmdb/live-state.ts';
import type { Machine } from '../io/rstmdb/server.ts';
import type { Caller } from './progress.ts';
import { type LiveServer, readLiveState } from './live-digest.ts';
import { type ReplaySource, replaySegments, sha256 } from './replay-segments.ts';

/**
 * Whether a running server shows the state of these files but for its floats: its JSON parser isn't exact, so each
 * start may move a double by a few units of its last place. For states whose digests differ; everything is read anew.
 * Fails: comparison-unfinished, server-refused, damaged-object.
 */
export async function showsSameState(server: LiveServer, source: ReplaySource, run: Caller): Promise<boolean> {
  const { index } = await replaySegments(source, run);
  const { reading, consumer } = await readLiveState(server, run, () => createComparing(index));
  const { machines, instances } = index.counts();
  if (consumer.machinesDiffer() || reading.machineCount !== machines || reading.instanceCount !== instances) return false;
  return allDrifted(source, index, consumer.differing);
}

type Comparing = LiveStateConsumer & { machinesDiffer(): boolean; differing: Instance[] };

function createComparing(index: ReplayIndex): Comparing {
  const differing: Instance[] = [];
  let machinesDiffer = false;
  return {
    addMachine: (machine) => {
      if (!isMachineOf(index, machine)) machinesDiffer = true;
    },
    addInstance: (instance) => {
      if (!isInstanceOf(index, instance)) differing.push(instance);
    },
    machinesDiffer: () => machinesDiffer,
    differing,
  };
}

function isMachineOf(index: ReplayIndex, { machine, version, definitionText }: Machine): boolean {
  const live = normaliseDefinition(definitionText) ?? canonicalJson(definitionText);
  const logged = [...index.machines()].find((candidate) => candidate.name === machine && candidate.version === version);
  return logged?.definition !== undefined && sameState(logged.definition, live);
}

function isInstanceOf(index: ReplayIndex, { id, machine, version, state, ctxText }: Instance): boolean {
  return index.instance(id)?.hash === instanceHash({ id, machine, version, state, ctx: canonicalJson(ctxText) }, sha256);
}

async function allDrifted(source: ReplaySource, index: ReplayIndex, differing: readonly Instance[]): Promise<boolean> {
  const window = new RecordWindow(source.pathOf);
  try {
    for (const live of differing) {
      const logged = index.instance(live.id);
      if (logged?.last === undefined || logged.deleted) return false;
      if (logged.machine !== live.machine || logged.version !== live.version) return false;
      const present = readPresentState(await window.payload(logged.last));
      if (present?.state !== live.state || !sameContext(present.ctx, live.ctxText)) return false;
    }
    return true;
  } finally {
    await window.close();
  }
}

function sameContext(logged: CanonicalJson, liveText: string): boolean {
  return sameState(logged, canonicalJson(liveText));
}
