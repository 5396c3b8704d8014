/** What every way to manage a server must do, against a real rstmdb. */
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { type ProcessEntry, processesWithEnvironment } from '../../src/io/process/proc.ts';
import { portState } from '../../src/io/service/ports.ts';
import { proveStopped } from '../../src/io/service/prove-stopped.ts';
import type { Service } from '../../src/io/service/service.ts';
import { freePort } from '../support/free-port.ts';
import { toolPath } from '../support/tools.ts';

export type ServicePlace = {
  /** A folder of this test's own, for scripts and state. */
  folder: string;
  dataDir: string;
  /** The server and its environment. */
  command: string[];
  env: Record<string, string>;
  stopTimeoutMs: number;
};

const secret = 'sesame-73519';

type Kind = 'process' | 'commands' | 'systemd' | 'docker' | 'podman';

export function serviceSuite(kind: Kind, create: (place: ServicePlace) => Promise<Service>): void {
  describe(`a ${kind} service`, () => {
    let place: ServicePlace;
    let address: { host: string; port: number };

    beforeEach(async () => {
      const folder = await mkdtemp(join(tmpdir(), 'rstow-service-'));
      address = { host: '127.0.0.1', port: await freePort() };
      const dataDir = join(folder, 'data');
      const env = { RSTMDB_DATA: dataDir, RSTMDB_BIND: `127.0.0.1:${address.port}`, SECRET: secret, TEST_PLACE: folder };
      place = { folder, dataDir, command: [toolPath('rstmdb')], env, stopTimeoutMs: 5_000 };
    });

    afterEach(async () => {
      for (const { pid } of await serversOf(place)) process.kill(pid, 'SIGKILL');
      await rm(place.folder, { recursive: true, force: true });
    });

    const serves = () => vi.waitFor(async () => expect(await portState(address, 500)).toEqual({ kind: 'open' }), { timeout: 10_000 });
    const proof = (service: Service) => proveStopped({ service, dataDir: place.dataDir, address, timeoutMs: 300 });

    test('starts a server that serves, and stops it provably', async () => {
      const service = await create(place);
      expect(await service.isRunning()).toBe(false);
      await service.start();
      expect(await service.isRunning()).toBe(true);
      await serves();
      await expect(proof(service)).rejects.toMatchObject({ code: 'service-stop-failed' });
      await service.stop();
      expect(await service.isRunning()).toBe(false);
      await proof(service);
      expect(await serversOf(place)).toEqual([]);
    });

    test('tells which processes are the server’s, or that the process table can’t tell', async () => {
      const service = await create(place);
      await service.start();
      await serves();
      const told = await service.processes?.();
      if (told !== undefined) expect(told.map(({ pid }) => pid)).toEqual((await serversOf(place)).map(({ pid }) => pid));
      await service.stop();
      expect((await service.processes?.()) ?? []).toEqual([]);
    });

    test('names what it starts and where its output goes, if only rstow looks after them', async () => {
      const service = await create(place);
      await service.start();
      await serves();
      if (service.program !== undefined) expect(service.program).toMatchObject({ command: place.command, env: place.env });
      if (service.logFile !== undefined) expect(await readFile(service.logFile, 'utf8')).toContain('Starting rstmdb server');
      await service.stop();
      expect(service.isManaged).toBe(true);
    });

    test('leaves a running server alone when told to start it, also as a new object', async () => {
      await (await create(place)).start();
      await serves();
      const before = await serversOf(place);
      expect(before).toHaveLength(1);
      const later = await create(place);
      await later.start();
      expect(await serversOf(place)).toEqual(before);
      await later.stop();
      await proof(later);
    });

    test('stops what does not run, twice', async () => {
      const service = await create(place);
      await service.stop();
      await service.stop();
      await proof(service);
    });

    test('sees a server that died by itself, and starts it again', async () => {
      const service = await create(place);
      await service.start();
      await serves();
      for (const { pid } of await serversOf(place)) process.kill(pid, 'SIGKILL');
      await vi.waitFor(async () => expect(await service.isRunning()).toBe(false), { timeout: 10_000 });
      await service.start();
      await serves();
      await service.stop();
      await proof(service);
    });

    test('ends a server that ignores SIGINT, after its time to stop', async () => {
      const ignoring = { ...place, command: [await ignoringServer(place.folder)], stopTimeoutMs: 600 };
      const service = await create(ignoring);
      await service.start();
      await vi.waitFor(async () => expect(await readFile(join(place.folder, 'ready'), 'utf8')).toBe('ready\n'), { timeout: 10_000 });
      const startedMs = performance.now();
      await service.stop();
      expect(performance.now() - startedMs).toBeGreaterThan(500);
      expect(await serversOf(place)).toEqual([]);
    });

    test('tells why a server did not start, with the end of what it said and no secret of its environment', async () => {
      await writeFile(join(place.folder, 'occupied'), '');
      const service = await create({ ...place, env: { ...place.env, RSTMDB_DATA: join(place.folder, 'occupied') } });
      const error: unknown = await service.start().then(
        () => 'started',
        (reason: unknown) => reason,
      );
      expect(error).toMatchObject({ name: 'RstowError', code: 'service-start-failed' });
      expect(inspect(error, { depth: 9 })).toContain('Not a directory');
      expect(inspect(error, { depth: 9, showHidden: true })).not.toContain(secret);
      expect(await service.isRunning()).toBe(false);
    });
  });
}

/** By an entry of the environment that every process of this test's server has. */
async function serversOf({ folder }: ServicePlace): Promise<ProcessEntry[]> {
  return processesWithEnvironment('TEST_PLACE', folder);
}

async function ignoringServer(folder: string): Promise<string> {
  const file = join(folder, 'ignoring-server');
  await writeFile(file, `#!/bin/sh\ntrap '' INT\necho ready >"$TEST_PLACE/ready"\nwhile :; do sleep 0.1; done\n`);
  await chmod(file, 0o755);
  return file;
}
