import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it, onTestFinished } from 'vitest';
import { startOwnServices } from '../support/own-services.ts';
import { openKilledArchive, type Victim } from './support/killed-archive.ts';

const KILLED: readonly Victim[] = ['agent', 'temporal', 'server', 'all', 'agent', 'all'];

it('leaves no gap, no lost pin and no second run, whatever is killed at whatever moment', async () => {
  const services = await startOwnServices();
  onTestFinished(() => services.stop());
  const archive = await openKilledArchive(services);
  onTestFinished(() => archive.close());
  for (const [index, victim] of KILLED.entries()) {
    await sleep(Math.random() * 2_000);
    await archive.kill(victim, Math.random() * 1_000);
    // The last one comes while the archive recovers from the one before.
    if (index === KILLED.length - 2) continue;
    expect((await archive.settle()).broken, victim).toEqual([]);
  }
  const { broken, segments } = await archive.end();
  expect(broken).toEqual([]);
  expect(segments).toBeGreaterThan(1);
});
