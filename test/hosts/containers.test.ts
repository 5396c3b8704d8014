/** Databases whose servers run in containers, with the agent on the host. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { findServerProcess } from '../../src/io/rstmdb/discover-server.ts';
import type { ContainerEngine } from '../../src/io/service/container-engine.ts';
import { parseServerAddress, portState } from '../../src/io/service/ports.ts';
import { liveDigest } from '../../src/replay/live-digest.ts';
import { flagConfigFile } from '../../src/up/flag-config.ts';
import { loadConfig } from '../../src/worker/load-config.ts';
import { CONTAINER_DATA_DIR, type ContainerDatabase, openContainerDatabase } from '../support/container-database.ts';
import { type EngineUnderTest, lackForContainers, openEngine } from '../support/container-engines.ts';
import { DATABASE, type DatabaseStack } from '../support/database-stack.ts';
import { backUp, backUpCold, restoreInPlace } from '../support/direct-backup.ts';
import { startLoadWriters } from '../support/load-writers.ts';
import { waitUntil } from '../support/wait-until.ts';

const HOLD_DOWN = fileURLToPath(new URL('../inside/hold-down.ts', import.meta.url));

/** Podman takes SIGTERM for the stop signal of each container that has none. */
const POLICIES: Record<ContainerEngine, [policy: string, options: string[]][]> = {
  docker: [
    ['always', []],
    ['always', ['--stop-signal', 'SIGTERM']],
  ],
  podman: [
    ['always', []],
    ['unless-stopped', ['--stop-signal', 'SIGINT']],
  ],
};

describe.skipIf(lackForContainers !== undefined).each(['docker', 'podman'] as const)(
  `a server in a container of %s${lackForContainers ?? ''}`,
  (name) => {
    let engine: EngineUnderTest;
    let database: ContainerDatabase | undefined;

    beforeAll(async () => {
      engine = await openEngine(name);
    });
    afterEach(async () => {
      await database?.stack.remove();
      database = undefined;
    });
    afterAll(() => engine.close());

    const stateOf = (container: string, field: string): Promise<string> => engine.command('inspect', '--format', `{{${field}}}`, container);

    const mount = name === 'docker' ? 'bind' : 'volume';

    it(`is backed up, hot and cold, and restored in place, its data in a ${mount}`, async () => {
      const { stack, container } = (database = await openContainerDatabase(engine, { mount }));
      await write(stack, 'before');
      const pid = Number(await stateOf(container, '.State.Pid'));
      expect(await findServerProcess({ dataDir: stack.dataDir, address: stack.address })).toMatchObject({ pid });
      const backup = await backUp(stack);
      await write(stack, 'after');
      const cold = await backUpCold(stack);
      expect(cold).toMatchObject({ outcome: 'done', kind: 'cold', server: 'restarted', stateDigest: await digestOf(stack) });
      await restoreInPlace(stack, backup.label);
      expect(await digestOf(stack)).toBe(backup.stateDigest);
      expect(await stateOf(container, '.State.Running')).toBe('true');
    });

    it.each(POLICIES[name])(
      'stays down while rstow has it so, whatever its policy (%s %j) and the engine’s own start, and is up again though rstow died',
      async (policy, options) => {
        const { stack, container } = (database = await openContainerDatabase(engine, {
          mount: 'bind',
          options: ['--restart', policy, ...options],
        }));
        await write(stack, 'kept');
        const digest = await digestOf(stack);
        const holder = await holdDown(stack);
        expect(await seenUp(stack, 2_000)).toBe(false);
        await engine.restart();
        // As `docker compose up`, or the unit that starts podman's containers at a boot.
        await engine.command('start', container);
        expect(await seenUp(stack, 3_000)).toBe(false);
        holder.kill('SIGKILL');
        await waitUntil('the watchdog has the server up', () => isUp(stack));
        expect(await digestOf(stack)).toBe(digest);
        expect(await stateOf(container, '.HostConfig.RestartPolicy.Name')).toBe(policy);
      },
    );

    it('is recognised by `rstow up`, and its data directory by the path in the container', async () => {
      const { stack, container } = (database = await openContainerDatabase(engine, { mount: 'bind' }));
      const { folder, dataDir, address } = stack;
      const flags = { database: DATABASE, dataDir, server: address, repository: join(folder, 'backups'), stateDir: join(folder, 'state') };
      const { file, found } = await flagConfigFile(flags);
      expect(found?.found).toContain(`in the container ${container} of ${name}`);
      expect((await loadConfig(file)).databases[DATABASE]).toMatchObject({
        service: { kind: 'docker', engine: name, container },
        rehearsal: { container: { engine: name, image: engine.image } },
      });
      const inside = { ...flags, dataDir: `${CONTAINER_DATA_DIR}/wal`, stateDir: join(folder, 'other') };
      await expect(flagConfigFile(inside)).rejects.toMatchObject({
        code: 'data-directory-missing',
        hint: expect.stringContaining(`--data-dir ${dataDir}/wal`) as string,
      });
    });

    it.each([
      ['would be gone then', ['--rm'], /--rm/],
      ['belongs to a unit', ['--label', 'PODMAN_SYSTEMD_UNIT=orders.service'], /the unit orders[.]service/],
    ])('is not stopped if the container %s', async (_why, options, sentence) => {
      const { stack, container } = (database = await openContainerDatabase(engine, { mount, options }));
      stack.remove = () => rm(stack.folder, { recursive: true });
      await expect(stack.service.stop()).rejects.toMatchObject({
        code: 'service-stop-failed',
        message: expect.stringMatching(sentence) as string,
      });
      expect(await isUp(stack)).toBe(true);
      await engine.command('kill', container);
      await waitUntil('it is down', async () => !(await isUp(stack)));
    });
  },
);

async function write({ address }: DatabaseStack, prefix: string): Promise<void> {
  const load = await startLoadWriters({ address, writers: 2, prefix });
  await load.acknowledgedAtLeast(100);
  await load.stop();
}

async function digestOf({ settings, config }: DatabaseStack): Promise<string> {
  return (await liveDigest(settings, config.timing, new AbortController().signal)).stateDigest;
}

async function holdDown({ configFile }: DatabaseStack): Promise<ChildProcess> {
  const argv = ['--disable-warning=ExperimentalWarning', HOLD_DOWN, configFile, DATABASE];
  const holder = spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'inherit'] });
  process.once('exit', () => holder.kill('SIGKILL'));
  await once(holder.stdout, 'data');
  return holder;
}

async function isUp({ address }: DatabaseStack): Promise<boolean> {
  return (await portState(parseServerAddress(address), 500)).kind === 'open';
}

async function seenUp(stack: DatabaseStack, forMs: number): Promise<boolean> {
  const untilMs = performance.now() + forMs;
  while (performance.now() < untilMs) {
    if (await isUp(stack)) return true;
    await sleep(20);
  }
  return false;
}
