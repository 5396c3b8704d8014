import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { liveDigest } from '../../src/replay/live-digest.ts';
import { DATABASE } from '../support/database-stack.ts';
import { type FaultyScene, openFaultyScene } from '../support/faulty-scene.ts';
import { startTemporalServer, type TemporalServer } from '../support/temporal-server.ts';
import { waitUntil } from '../support/wait-until.ts';

let server: TemporalServer;
let on: FaultyScene;

beforeAll(async () => {
  server = await startTemporalServer();
  const shared = { temporalAddress: server.address, workflowBundlePath: inject('workflowBundlePath') };
  on = await openFaultyScene(shared, { stepGiveUpMs: 60_000 });
});
afterAll(async () => {
  await on.close();
  await server.stop();
});

/** The folder in which a restore stages is there for as long as the server isn't swapped. */
async function isStaging(): Promise<boolean> {
  try {
    return (await readdir(join(on.stack.dataDir, '.rstow', 'restores'))).length > 0;
  } catch {
    return false;
  }
}

it('a restore and whoever watches it outlive a restart of Temporal in their middle', async () => {
  const restoring = on.rstow('restore', DATABASE, '--yes');
  await waitUntil('the restore stages', isStaging);
  await server.kill();
  await sleep(1000);
  await server.start();
  const { exitCode, stdout, stderr } = await restoring;
  expect({ exitCode, stderr }).toMatchObject({ exitCode: 0 });
  expect(stdout).toContain(on.backup.stateDigest);
  const live = await liveDigest(on.settings, on.stack.config.timing, new AbortController().signal);
  expect(live.stateDigest).toBe(on.backup.stateDigest);
});

it('a command while Temporal is down says so, and ends', async () => {
  await server.kill();
  const { exitCode, stdout, stderr } = await on.rstow('backup', DATABASE);
  await server.start();
  expect(stderr).toMatch(/^waiting for Temporal at 127\.0\.0\.1:[0-9]+\nerror: temporal-unreachable: .*127\.0\.0\.1:[0-9]+.*\nhint: /);
  expect({ exitCode, stdout }).toEqual({ exitCode: 17, stdout: '' });
});
