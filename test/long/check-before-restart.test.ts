/** A server whose compaction has taken log away, as an operator meets it: the check, the way out, and the restart. */
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { compactNow, writeCounters } from '../support/compactable-log.ts';
import { DATABASE } from '../support/database-stack.ts';
import { withClient } from '../support/odd-source.ts';
import { rstow } from '../support/rstow-command.ts';
import type { ProgramEnd } from '../support/run-program.ts';
import { openScene, type Scene } from '../support/scene.ts';
import { listInstances } from '../../src/io/rstmdb/instances.ts';

const COUNTERS = 40;

let scene: Scene;

beforeAll(async () => {
  const shared = { temporalAddress: inject('temporalAddress'), workflowBundlePath: inject('workflowBundlePath') };
  scene = await openScene(shared, { segmentSizeMb: 1, database: { guard: { enabled: false }, archive: { enabled: false } } });
});

afterAll(() => scene.close());

const command = (...args: string[]): Promise<ProgramEnd> =>
  rstow(args, { TEMPORAL_ADDRESS: scene.temporalAddress, TEMPORAL_NAMESPACE: scene.namespace });

async function instancesShown(): Promise<number> {
  return (await withClient(scene.stack.address, (client) => listInstances(client, { limit: 1, offset: 0 }))).total;
}

it('says what a restart would lose, and after a rebase that it loses nothing, which a restart proves', async () => {
  const { stack } = scene;
  await writeCounters(stack.address, { count: COUNTERS, textBytes: 60_000 });
  expect((await compactNow(stack)).segmentsDeleted).toBeGreaterThanOrEqual(2);
  const nagios = await command('check', DATABASE, '--nagios');
  expect(nagios.exitCode).toBe(2);
  expect(nagios.stdout).toMatch(
    /^RSTOW CRITICAL - orders: restart-loses: a restart now would lose \d+ instances \(counter-\d+, .*'machinesLost'=1 .*\n$/,
  );
  const checked = await command('check', DATABASE);
  expect(checked.exitCode).toBe(3);
  expect(checked.stdout.replaceAll(/\s+/g, ' ')).toContain(
    '`rstow backup orders`, then `rstow rebase orders`, which makes a restart safe.',
  );
  // The backup begins with what the server shows, and says so.
  expect((await command('backup', DATABASE)).exitCode).toBe(3);
  const rebased = await command('rebase', DATABASE, '--yes');
  expect([0, 3], rebased.stderr).toContain(rebased.exitCode);
  const safe = await command('check', DATABASE);
  expect(safe.stdout).toMatch(new RegExp(`^ok +restart-safe: a restart now loses nothing: ${COUNTERS} instances`, 'm'));
  await stack.service.stop();
  await stack.startServer();
  expect(await instancesShown()).toBe(COUNTERS);
}, 300_000);
