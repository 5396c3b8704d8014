import { setTimeout as delay } from 'node:timers/promises';
import type { DatabaseConfig, TimingConfig } from '../config/agent-config.ts';
import { canonicalJson, type CanonicalJson } from '../core/json/canonical-json.ts';
import { normaliseDefinition } from '../core/state/log-entry.ts';
import { createStateDigest, instanceHash, machineHash } from '../core/state/state-digest.ts';
import type { WalOffset } from '../core/wal/wal-offset.ts';
import { type Server, serverConnector } from '../database/database.ts';
import { fingerprintOf, type LiveStateConsumer, type LiveStateReading } from '../io/rstmdb/live-state.ts';
import type { Caller } from './progress.ts';
import { replaySegments, type ReplaySource, sha256 } from './replay-segments.ts';
import { errorRow } from '../core/errors/error-table.ts';
import { RstowError } from '../core/errors/rstow-error.ts';
import { readPresentState } from '../core/state/kept-instance.ts';
import type { ReplayIndex } from '../core/state/replay-index.ts';
import { sameState } from '../core/state/server-comparison.ts';
import { RecordWindow } from '../io/data-directory/range-reader.ts';
import type { Instance } from '../io/rstmdb/instances.ts';
import type { Machine } from '../io/rstmdb/server.ts';

type LiveDigest = {
  stateDigest: string;
  machines: number;
  instances: number;
  latestOffset: WalOffset | undefined;
  /** False where something was written while it was read: then it is no state that ever was. */
  quiescent: boolean;
};

/** The digest of the state that a running server shows. Fails: comparison-unfinished, server-refused. */
export async function readLiveDigest(server: LiveServer, caller: Caller): Promise<LiveDigest> {
  const { reading, consumer } = await readLiveState(server, caller, createDigesting);
  const { machineCount: machines, instanceCount: instances, latestOffset, quiescent } = reading;
  return { stateDigest: consumer.digestHex(), machines, instances, latestOffset, quiescent };
}

/** The same for whoever works for no run. */
export function liveDigest(settings: Pick<DatabaseConfig, 'server'>, timing: TimingConfig, signal: AbortSignal): Promise<LiveDigest> {
  const server = {
    address: settings.server.address,
    connector: () => serverConnector(settings.server, timing.serverRequestMs, { signal }),
  };
  return readLiveDigest(server, { signal, report: () => undefined });
}

function createDigesting(): LiveStateConsumer & { digestHex(): string } {
  const digest = createStateDigest();
  return {
    addMachine: ({ machine, version, definitionText }) => {
      const definition = normaliseDefinition(definitionText) ?? canonicalJson(definitionText);
      digest.add(machineHash({ name: machine, version, definition }, sha256));
    },
    addInstance: ({ id, machine, version, state, ctxText }) => {
      digest.add(instanceHash({ id, machine, version, state, ctx: canonicalJson(ctxText) }, sha256));
    },
    digestHex: () => digest.hex(),
  };
}

/** A running server to be asked for its whole state. */
export type LiveServer = Pick<Server, 'address' | 'connector'>;

const TRIES_MAX = 3;
const PAUSE_MS = 1_000;
const REPORT_EVERY_INSTANCES = 1_000;

type Progress = { read: number; listed: number };

/**
 * Reads a running server's whole state into what `begin` makes; each try begins with a new one. However large the state
 * is, this goes on while the server answers, and ends where it falls silent again and again.
 * Fails: comparison-unfinished, saying how far it came; server-refused; server-version-unsupported.
 */
export async function readLiveState<Consumer extends LiveStateConsumer>(
  { address, connector }: LiveServer,
  caller: Caller,
  begin: () => Consumer,
): Promise<{ reading: LiveStateReading; consumer: Consumer }> {
  const connect = connector({ signal: caller.signal });
  for (let tries = 1; ; tries += 1) {
    const consumer = begin();
    const progress: Progress = { read: 0, listed: 0 };
    try {
      return { reading: await fingerprintOf(connect, counting(consumer, { progress, caller, address })), consumer };
    } catch (error) {
      if (!(error instanceof RstowError) || !errorRow(error.code).retryable) throw error;
      if (tries === TRIES_MAX) throw unfinished(error, progress);
      await delay(PAUSE_MS, undefined, { signal: caller.signal });
    }
  }
}

type Counting = { progress: Progress; caller: Caller; address: string };

function counting(consumer: LiveStateConsumer, { progress, caller, address }: Counting): LiveStateConsumer {
  const report = (): void => caller.report({ comparing: address, instancesDone: progress.read, instancesTotal: progress.listed });
  return {
    addMachine: (machine) => consumer.addMachine(machine),
    addInstance: (instance) => {
      consumer.addInstance(instance);
      progress.read += 1;
      if (progress.read % REPORT_EVERY_INSTANCES === 0) report();
    },
    listed: (instances) => {
      progress.listed = instances;
      report();
    },
  };
}

function unfinished(cause: RstowError, { read, listed }: Progress): RstowError {
  const sentence = `the server showed ${read} of ${listed} instances, and then stopped answering (${TRIES_MAX} tries): ${cause.message}`;
  return new RstowError('comparison-unfinished', sentence, { details: { instancesRead: read, instancesListed: listed }, cause });
}

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
