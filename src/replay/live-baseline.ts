import { canonicalJson } from '../core/json/canonical-json.ts';
import { type BaselineRecord, emptyRecord, instanceRecord, machineRecord } from '../core/state/baseline-record.ts';
import { normaliseDefinition } from '../core/state/log-entry.ts';
import { machineName } from '../core/state/server-comparison.ts';
import type { WalOffset } from '../core/wal/wal-offset.ts';
import { type Connector, getInstances, instancePages } from '../io/rstmdb/instances.ts';
import { getMachine, listMachines } from '../io/rstmdb/server.ts';
import { definitionHash } from './baseline.ts';
import type { Caller } from './progress.ts';

export type LiveReading = {
  connect: Connector;
  /** Whether an instance whose last record begins there has not changed since the reading began. */
  isUnchanged: (lastWalOffset: WalOffset) => boolean;
  /** Instances that the log behind the baseline creates must not stand in it. */
  isLeftOut: (id: string) => boolean;
  run: Caller;
};

export type LiveState = {
  /** Each machine, then each instance; read once. */
  records: AsyncGenerator<BaselineRecord, void, undefined>;
  /** All instances that the server has listed, by the time that the records are read. */
  ids: Set<string>;
  /** By name and version. */
  machines: Set<string>;
  /** How many of them the records hold, by then. */
  counts: { machines: number; instances: number };
};

/**
 * Reads a running server's state into records of a baseline, while clients write: each instance as it is at some moment of the reading. That
 * gives the right state only with the log from before the reading to its end behind it: every change writes the whole state.
 * Reading fails: server-unreachable, server-refused.
 */
export function readLiveBaseline(reading: LiveReading): LiveState {
  const state = { ids: new Set<string>(), machines: new Set<string>(), counts: { machines: 0, instances: 0 } };
  return { ...state, records: recordsOf(reading, state) };
}

async function* recordsOf(reading: LiveReading, state: Omit<LiveState, 'records'>): AsyncGenerator<BaselineRecord, void, undefined> {
  const { connect, isLeftOut, run } = reading;
  await listIds(reading, state.ids);
  const client = await connect();
  try {
    for (const { machine, version } of await listMachines(client)) {
      const { definitionText } = await getMachine(client, { machine, version });
      const definition = normaliseDefinition(definitionText) ?? canonicalJson(definitionText);
      state.machines.add(machineName({ machine, version }));
      state.counts.machines += 1;
      yield machineRecord({ name: machine, version, definition }, definitionHash(definition));
    }
    for await (const instance of getInstances(
      client,
      [...state.ids].filter((id) => !isLeftOut(id)),
    )) {
      if (instance === undefined) continue;
      const { id, machine, version, state: present, ctxText } = instance;
      state.counts.instances += 1;
      if (state.counts.instances % REPORT_EVERY_INSTANCES === 0) run.report({ reading: 'the server’s state', ...state.counts });
      yield instanceRecord({ id, machine, version, state: present, ctx: canonicalJson(ctxText) });
    }
  } finally {
    await client.close();
  }
  if (state.counts.machines + state.counts.instances === 0) yield emptyRecord();
}

const REPORT_EVERY_INSTANCES = 1_000;

const PASSES_MAX = 10;

/** Pages shift under writes, and leave instances out: they are listed until a pass finds none that was there before. */
async function listIds({ connect, isUnchanged }: LiveReading, ids: Set<string>): Promise<void> {
  for (let pass = 1; pass <= PASSES_MAX; pass += 1) {
    let pages = 0;
    let found = 0;
    for await (const { instances } of instancePages(connect)) {
      pages += 1;
      for (const { id, lastWalOffset } of instances) {
        if (!ids.has(id) && isUnchanged(lastWalOffset)) found += 1;
        ids.add(id);
      }
    }
    // One page is one moment.
    if (pages === 1 || found === 0) return;
  }
}
