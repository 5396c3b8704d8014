/** Logs of which a COMPACT deletes the beginning: every instance has a newer record at the end. */
import { applyEvent, createInstance, listInstances } from '../../src/io/rstmdb/instances.ts';
import { compact, type Compaction, type Machine, putMachine } from '../../src/io/rstmdb/server.ts';
import { withClient } from './odd-source.ts';

/** An instance of it takes any number of events. */
export const COUNTER_MACHINE: Machine = {
  machine: 'counter',
  version: 1,
  definitionText: JSON.stringify({ states: ['on'], initial: 'on', transitions: [{ from: 'on', event: 'TICK', to: 'on' }] }),
};

type CompactableLog = { count: number; prefix?: string; /** Of each context. */ textBytes?: number };

/** Creates so many counters, then lets all that there are tick. */
export async function writeCounters(address: string, { count, prefix = 'counter', textBytes = 10 }: CompactableLog): Promise<void> {
  await withClient(address, async (client) => {
    await putMachine(client, COUNTER_MACHINE);
    const ctxText = JSON.stringify({ text: 'x'.repeat(textBytes) });
    for (let serial = 0; serial < count; serial += 1) {
      await createInstance(client, { id: `${prefix}-${serial}`, machine: 'counter', version: 1, ctxText });
    }
    const { instances } = await listInstances(client, { limit: 50_000, offset: 0 });
    for (const { id } of instances) await applyEvent(client, { instanceId: id, event: 'TICK' });
  });
}

export function compactNow({ address }: { address: string }): Promise<Compaction> {
  return withClient(address, (client) => compact(client, { forceSnapshot: true, timeoutMs: 60_000 }));
}
