import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openServer } from '../../src/database/database.ts';
import { showsSameState } from '../../src/replay/live-digest.ts';
import type { ReplaySource } from '../../src/replay/replay-segments.ts';
import type { Manifest } from '../../src/formats/repository/manifest.ts';
import { segmentFileName } from '../../src/core/wal/wal-offset.ts';
import { applyEvent, createInstance, deleteInstance, getInstance } from '../../src/io/rstmdb/instances.ts';
import { putMachine } from '../../src/io/rstmdb/server.ts';
import type { RstmdbClient } from '../../src/io/rstmdb/rstmdb-client.ts';
import { backUp, directDeps, directRun, restoreInPlace } from '../support/direct-backup.ts';
import { ORDER_MACHINE } from '../../demo/orders.ts';
import { backUpAndRestore, expectSound, oddSource, sourceDigest, startedDigest, withClient, writeOrders } from '../support/odd-source.ts';

type Case = { what: string; write: (client: RstmdbClient) => Promise<unknown> };

function order(client: RstmdbClient, id: string, ctxText: string): Promise<unknown> {
  return createInstance(client, { id, machine: 'order', version: 1, ctxText });
}

const cases: Case[] = [
  {
    what: 'text outside ASCII, in ids, keys and values',
    write: (client) => order(client, 'bestellung-ä-東京-🚲', '{"Straße":"Zürich \\u0000 \\"\\\\ 🚲 \\ud83d\\ude00"}'),
  },
  {
    what: 'integers past 2^53 and 2^63',
    write: (client) =>
      order(client, 'big', '{"a":9007199254740993,"b":9223372036854775808,"c":18446744073709551615,"d":-9223372036854775808}'),
  },
  { what: 'integers past 2^64', write: (client) => order(client, 'huge', '{"a":18446744073709551616,"b":-9223372036854775809,"c":1e300}') },
  { what: '1.0 and 1, -0 and 0, which differ', write: (client) => order(client, 'zero', '{"a":1.0,"b":1,"c":-0,"d":-0.0,"e":0,"f":0.0}') },
  {
    what: 'a deleted instance',
    write: async (client) => {
      await order(client, 'gone', '{}');
      await deleteInstance(client, 'gone');
    },
  },
  {
    what: 'a deleted instance that was created again',
    write: async (client) => {
      await order(client, 'back', '{"life":1}');
      await applyEvent(client, { instanceId: 'back', event: 'PAY' });
      await deleteInstance(client, 'back');
      await order(client, 'back', '{"life":2}');
    },
  },
  {
    what: 'three versions of a machine',
    write: async (client) => {
      for (const version of [2, 3]) {
        const definitionText = JSON.stringify({
          states: ['created', `v${version}`],
          initial: 'created',
          transitions: [{ from: 'created', event: 'GO', to: `v${version}` }],
        });
        await putMachine(client, { machine: 'order', version, definitionText });
        await createInstance(client, { id: `v${version}`, machine: 'order', version });
        await applyEvent(client, { instanceId: `v${version}`, event: 'GO' });
      }
    },
  },
  { what: 'a record of 15 MiB', write: (client) => order(client, 'large', JSON.stringify({ text: 'x'.repeat(15 * 1024 * 1024) })) },
  { what: 'nothing but a machine', write: async () => Promise.resolve() },
];

it.each(cases)('restores $what', async ({ write }) => {
  const stack = await oddSource();
  await withClient(stack.address, async (client) => {
    await putMachine(client, ORDER_MACHINE);
    await write(client);
  });
  const { manifest, dataDir } = await backUpAndRestore(stack);
  expect(manifest).toMatchObject({ restorable: 'from-log', warnings: [], stateDigest: await sourceDigest(stack) });
  expect(await expectSound(stack, dataDir)).toBe(manifest.stateDigest);
});

it('restores doubles of 17 digits, which the server itself moves by their last place at each start', async () => {
  const stack = await oddSource();
  const doubles = Array.from({ length: 3000 }, (_, index) => Math.sin(index + 1) * 10 ** ((index % 40) - 20));
  await withClient(stack.address, async (client) => {
    await putMachine(client, ORDER_MACHINE);
    await order(client, 'doubles', JSON.stringify({ doubles }));
  });
  const { manifest, dataDir } = await backUpAndRestore(stack);
  expect(manifest).toMatchObject({ restorable: 'from-log', warnings: [] });
  expect(await startedDigest(stack, dataDir)).not.toBe(manifest.stateDigest);
  await restoreInPlace(stack, manifest.label);
  expect(await sourceDigest(stack)).not.toBe(manifest.stateDigest);
  const shown = await withClient(stack.address, (client) => getInstance(client, 'doubles'));
  const restored = (JSON.parse(shown?.ctxText ?? '{}') as { doubles: number[] }).doubles;
  expect(restored).toHaveLength(doubles.length);
  const moved = doubles.map((double, index) => Math.abs(((restored[index] ?? NaN) - double) / double));
  expect(moved.filter((relative) => !(relative < 1e-14))).toEqual([]);
});

it('takes no other difference for such a drift', async () => {
  const stack = await oddSource();
  await writeOrders(stack.address, 2);
  const manifest = await backUp(stack);
  const run = directRun(directDeps(stack));
  const server = openServer(stack.settings, stack.config.timing);
  const shows = (): Promise<boolean> => run(() => (files, port) => showsSameState(server, files, port), filesOf(manifest, stack.walDir));
  expect(await shows()).toBe(true);
  await withClient(stack.address, (client) => applyEvent(client, { instanceId: 'order-0', event: 'PAY' }));
  expect(await shows()).toBe(false);
  await withClient(stack.address, (client) => deleteInstance(client, 'order-0'));
  expect(await shows()).toBe(false);
});

function filesOf({ segments }: Manifest, walDir: string): ReplaySource {
  const extents = segments.map(({ segment, ranges }) => ({ segment, endBytes: ranges.at(-1)?.endBytes ?? 0 }));
  return { extents, pathOf: (segment) => join(walDir, segmentFileName(segment)), damageCode: 'source-damaged' };
}
