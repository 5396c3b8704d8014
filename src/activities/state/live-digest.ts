import type { DatabaseConfig, TimingConfig } from '../../config/agent-config.ts';
import { canonicalJson } from '../../core/json/canonical-json.ts';
import { normaliseDefinition } from '../../core/state/machine-definition.ts';
import { createStateDigest, instanceHash, machineHash } from '../../core/state/state-digest.ts';
import type { WalOffset } from '../../core/wal/wal-offset.ts';
import { fingerprintOf } from '../../io/rstmdb/live-state.ts';
import { withServer } from '../server/rstmdb-connection.ts';
import { sha256 } from './replay-segments.ts';

export type LiveDigest = {
  stateDigest: string;
  machines: number;
  instances: number;
  latestOffset: WalOffset | undefined;
  /** False where something was written while it was read: then it is no state that ever was. */
  quiescent: boolean;
};

/** The digest of the state that a running server shows. Fails: server-unreachable, server-refused. */
export async function liveDigest(settings: Pick<DatabaseConfig, 'server'>, timing: TimingConfig, signal: AbortSignal): Promise<LiveDigest> {
  const digest = createStateDigest();
  const reading = await withServer(settings.server, { timing, signal }, (client) =>
    fingerprintOf(client, {
      addMachine: ({ machine, version, definitionText }) => {
        const definition = normaliseDefinition(definitionText) ?? canonicalJson(definitionText);
        digest.add(machineHash({ name: machine, version, definition }, sha256));
      },
      addInstance: ({ id, machine, version, state, ctxText }) => {
        digest.add(instanceHash({ id, machine, version, state, ctx: canonicalJson(ctxText) }, sha256));
      },
    }),
  );
  const { machineCount: machines, instanceCount: instances, latestOffset, quiescent } = reading;
  return { stateDigest: digest.hex(), machines, instances, latestOffset, quiescent };
}
