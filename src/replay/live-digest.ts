import type { DatabaseConfig, TimingConfig } from '../config/agent-config.ts';
import { canonicalJson } from '../core/json/canonical-json.ts';
import { normaliseDefinition } from '../core/state/machine-definition.ts';
import { createStateDigest, instanceHash, machineHash } from '../core/state/state-digest.ts';
import type { WalOffset } from '../core/wal/wal-offset.ts';
import { serverConnector } from '../database/server.ts';
import type { LiveStateConsumer } from '../io/rstmdb/live-state.ts';
import { type Asker, type LiveServer, readLiveState } from './live-reading.ts';
import { sha256 } from './replay-segments.ts';

export type LiveDigest = {
  stateDigest: string;
  machines: number;
  instances: number;
  latestOffset: WalOffset | undefined;
  /** False where something was written while it was read: then it is no state that ever was. */
  quiescent: boolean;
};

/** The digest of the state that a running server shows. Fails: comparison-unfinished, server-refused. */
export async function readLiveDigest(server: LiveServer, asker: Asker): Promise<LiveDigest> {
  const { reading, consumer } = await readLiveState(server, asker, createDigesting);
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
