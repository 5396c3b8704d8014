import { setTimeout as delay } from 'node:timers/promises';
import { errorRow } from '../core/errors/error-table.ts';
import { RstowError } from '../core/errors/rstow-error.ts';
import { fingerprintOf, type LiveStateConsumer, type LiveStateReading } from '../io/rstmdb/live-state.ts';
import type { RunPort } from '../activities/run-port.ts';
import type { Server } from '../database/server.ts';

/** A running server to be asked for its whole state. */
export type LiveServer = Pick<Server, 'address' | 'connector'>;

export type Asker = Pick<RunPort, 'signal' | 'report'>;

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
  asker: Asker,
  begin: () => Consumer,
): Promise<{ reading: LiveStateReading; consumer: Consumer }> {
  const connect = connector({ signal: asker.signal });
  for (let tries = 1; ; tries += 1) {
    const consumer = begin();
    const progress: Progress = { read: 0, listed: 0 };
    try {
      return { reading: await fingerprintOf(connect, counting(consumer, { progress, asker, address })), consumer };
    } catch (error) {
      if (!(error instanceof RstowError) || !errorRow(error.code).retryable) throw error;
      if (tries === TRIES_MAX) throw unfinished(error, progress);
      await delay(PAUSE_MS, undefined, { signal: asker.signal });
    }
  }
}

type Counting = { progress: Progress; asker: Asker; address: string };

function counting(consumer: LiveStateConsumer, { progress, asker, address }: Counting): LiveStateConsumer {
  const report = (): void => asker.report({ comparing: address, instancesDone: progress.read, instancesTotal: progress.listed });
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
