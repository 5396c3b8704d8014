import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { scratchContainerPrefix } from '../../src/database/scratch-server.ts';
import type { HotBackupResult } from '../../src/contract/hot-backup.ts';
import type { RestoreResult } from '../../src/contract/restore.ts';
import type { TestRecoveryResult } from '../../src/contract/test-recovery.ts';
import { livingProcesses, unlessGone } from '../../src/io/process/proc.ts';
import { type ContainerServiceConfig, createContainerService, removeContainers } from '../../src/io/service/container-service.ts';
import { portState } from '../../src/io/service/ports.ts';
import { clearScratch } from '../../src/worker/watch/leftovers.ts';
import type { AgentProcess } from '../support/agent-process.ts';
import { type EngineUnderTest, lackForContainers, openEngine } from '../support/container-engines.ts';
import { DATABASE } from '../support/database-stack.ts';
import { freePort } from '../support/free-port.ts';
import { startLoadWriters } from '../support/load-writers.ts';
import { failureOfRun } from '../support/run-failure.ts';
import { openScene, type Scene } from '../support/scene.ts';
import { expectNoScratchLeft } from '../support/scratch-witness.ts';
import { waitUntil } from '../support/wait-until.ts';

describe.skipIf(lackForContainers !== undefined)(`a recovery test in a container${lackForContainers ?? ''}`, () => {
  let podman: EngineUnderTest;
  let container: object;
  let scene: Scene;
  let backup: HotBackupResult;
  let port: number;
  let agent: AgentProcess;

  beforeAll(async () => {
    podman = await openEngine('podman');
    // Containers share the host's network here: the server listens where it is asked.
    port = await freePort();
    container = { engine: 'podman', image: podman.image, port };
    const shared = { temporalAddress: inject('temporalAddress'), workflowBundlePath: inject('workflowBundlePath') };
    scene = await openScene(shared, { database: { rehearsal: { container, port } } });
    const load = await startLoadWriters({ address: scene.stack.address, writers: 1 });
    await load.acknowledgedAtLeast(100);
    await load.stop();
    backup = await scene.temporal.execute<HotBackupResult>('hotBackup', { database: DATABASE });
  });
  afterAll(async () => {
    await scene.close();
    await podman.close();
  });

  const containersNow = (): Promise<string[]> => scratchContainers(podman);
  const stateDir = (): string => join(scene.stack.folder, 'agent');
  const start = (input: object = {}) => scene.temporal.start('testRecovery', { database: DATABASE, ...input });

  async function expectNothingLeft(agentPid: number): Promise<void> {
    expect(await containersNow()).toEqual([]);
    await expectNoScratchLeft(stateDir(), { agentPid, port });
  }

  it('proves the backup on the server of an image, and leaves no container, port or folder', async () => {
    const result = (await (await start()).result()) as TestRecoveryResult;
    expect(result).toMatchObject({ outcome: 'done', label: backup.label, stateDigest: backup.stateDigest });
    await expectNothingLeft(scene.agent.pid);
  });

  it('leaves nothing where an assertion fails', async () => {
    const failure = await failureOfRun((await start({ assertions: { instances: [{ id: 'nobody' }] } })).result());
    expect(failure.code).toBe('assertion-failed');
    await expectNothingLeft(scene.agent.pid);
  });

  it('rehearses a restore there too', async () => {
    const restored = await scene.temporal.execute<RestoreResult>('restore', { database: DATABASE, backup: 'latest' });
    expect(restored).toMatchObject({ outcome: 'done', rehearsal: 'passed' });
    expect(await containersNow()).toEqual([]);
  });

  it('tells an image that is not there, and leaves nothing', async () => {
    const rehearsal = { container: { ...container, image: 'localhost/rstow-test-nothing:1' } };
    const configFile = await scene.stack.writeConfig({ name: 'other', stateDir: join(scene.stack.folder, 'other') }, { rehearsal });
    const other = await scene.startAgent(configFile);
    const failure = await failureOfRun((await start({ agent: 'other' })).result());
    expect(failure).toMatchObject({ code: 'service-start-failed' });
    expect(failure.sentence).toMatch(/podman run ended with [0-9]+: .*localhost\/rstow-test-nothing/);
    await other.kill();
    await expectNothingLeft(scene.agent.pid);
  });

  it('removes the container of an agent that died, and goes on', async () => {
    const handle = await start();
    const { runId } = await handle.describe();
    await waitUntil('its container runs', async () =>
      (await containersNow()).some((name) => name.startsWith(scratchContainerPrefix(runId))),
    );
    await scene.agent.kill('SIGKILL');
    agent = await scene.startAgent(scene.stack.configFile);
    expect(await handle.result()).toMatchObject({ outcome: 'done', stateDigest: backup.stateDigest });
    await expectNothingLeft(agent.pid);
  });

  it('removes the container of an agent that died, where its run was terminated as well', async () => {
    const handle = await start();
    const { runId } = await handle.describe();
    await waitUntil('its container runs', async () =>
      (await containersNow()).some((name) => name.startsWith(scratchContainerPrefix(runId))),
    );
    await agent.kill('SIGKILL');
    await handle.terminate('as planted');
    expect(await containersNow()).toEqual([expect.stringMatching(`^${scratchContainerPrefix(runId)}`)]);
    await clearScratch(scene.stack, { runState: async () => Promise.resolve('closed' as const) });
    await expectNothingLeft(agent.pid);
  });
});

describe.skipIf(lackForContainers !== undefined)(`a container service${lackForContainers ?? ''}`, () => {
  const SECRET = 'sesame-90125';
  let docker: EngineUnderTest;
  let config: ContainerServiceConfig;

  beforeAll(async () => {
    docker = await openEngine('docker');
    const port = await freePort();
    config = {
      engine: 'docker',
      image: docker.image,
      options: ['--network', 'host', '--volume', '/data'],
      name: `rstow-service-${process.pid}`,
      dataDir: '/tmp',
      containerDataDir: '/host',
      user: '0:0',
      port,
      containerPort: port,
      memoryBytes: 256 * 1024 * 1024,
      env: { RSTMDB_DATA: '/data', RSTMDB_BIND: `127.0.0.1:${port}`, SECRET },
      startTimeoutMs: 30_000,
      stopTimeoutMs: 20_000,
    };
  });
  afterAll(() => docker.close());

  const containersNow = (): Promise<string[]> => scratchContainers(docker);

  it('starts once, shows no value of its environment to others, and ends by SIGINT within its time', async () => {
    const service = createContainerService(config);
    expect(await service.isRunning()).toBe(false);
    await service.start();
    await service.start();
    expect(await containersNow()).toEqual([config.name]);
    await waitUntil('it listens', async () => (await portState({ host: '127.0.0.1', port: config.port }, 500)).kind === 'open');
    expect(await livingProcesses(async (pid) => (await argvOf(pid)).includes(SECRET))).toEqual([]);
    const stoppedAtMs = performance.now();
    await service.stop();
    expect(performance.now() - stoppedAtMs).toBeLessThan(config.stopTimeoutMs);
    await service.stop();
    expect(await containersNow()).toEqual([]);
  });

  it('tells what the server said last, and starts where an earlier one has ended', async () => {
    const failing = createContainerService({ ...config, env: { ...config.env, RSTMDB_DATA: '/rstmdb' } });
    await failing.start();
    await waitUntil('its server has ended', async () => !(await failing.isRunning()));
    expect(await failing.logTail()).toMatch(/Not a directory/);
    await createContainerService(config).start();
    await createContainerService(config).stop();
  });

  it('has no container where the engine is not installed', async () => {
    await removeContainers('no-such-engine' as 'docker', '^rstow-none$');
  });
});

async function scratchContainers({ command }: EngineUnderTest): Promise<string[]> {
  return (await command('ps', '--all', '--format', '{{.Names}}')).split('\n').filter((name) => name.startsWith('rstow-'));
}

async function argvOf(pid: number): Promise<string> {
  return (await unlessGone(readFile(`/proc/${pid}/cmdline`, 'utf8'))) ?? '';
}
