import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { isSameProcessAlive, processesWithEnvironment, type ProcessIdentity } from '../../../src/io/process/proc.ts';
import { createProcessService, type ProcessServiceConfig } from '../../../src/io/service/process-service.ts';
import { serviceSuite } from '../../suites/service-suite.ts';

serviceSuite('process', ({ folder, dataDir, command, env, stopTimeoutMs }) =>
  Promise.resolve(createProcessService({ command, env, dataDir, stopTimeoutMs, stateDir: join(folder, 'state') })),
);

describe('a process service', () => {
  let folder: string;
  let config: ProcessServiceConfig;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'rstow-process-service-'));
    await mkdir(join(folder, 'data', 'wal'), { recursive: true });
    const command = ['sleep', '600'];
    config = { command, env: { TEST_PLACE: folder }, stateDir: join(folder, 'state'), dataDir: join(folder, 'data'), stopTimeoutMs: 2_000 };
  });

  afterEach(async () => {
    for (const { pid } of await processesWithEnvironment('TEST_PLACE', folder)) process.kill(pid, 'SIGKILL');
    await rm(folder, { recursive: true, force: true });
  });

  const record = async () =>
    JSON.parse(await readFile(join(config.stateDir, 'service.json'), 'utf8')) as ProcessIdentity & { command: string[] };

  test('finds the server of an agent that died before it could write the record', async () => {
    const source = new URL('../../../src/io/process/run-command.ts', import.meta.url).href;
    await mkdir(config.stateDir);
    const detached = {
      command: config.command,
      env: { ...config.env, RSTOW_SERVICE: config.stateDir },
      logFile: join(config.stateDir, 'service.log'),
    };
    const agent = spawn(process.execPath, ['--input-type=module'], { stdio: ['pipe', 'ignore', 'ignore'] });
    agent.stdin.end(`import { spawnDetached } from '${source}';
      await spawnDetached(${JSON.stringify(detached)});
      process.kill(process.pid, 'SIGKILL');`);
    expect(await once(agent, 'exit')).toEqual([null, 'SIGKILL']);
    const service = createProcessService(config);
    await service.start();
    const servers = await processesWithEnvironment('TEST_PLACE', folder);
    expect(servers).toHaveLength(1);
    expect(await record()).toMatchObject({ pid: servers[0]?.pid, startTicks: servers[0]?.startTicks, command: config.command });
    await service.stop();
    expect(await processesWithEnvironment('TEST_PLACE', folder)).toEqual([]);
  });

  test('finds a recorded server whose environment says nothing', async () => {
    const service = createProcessService({ ...config, command: ['env', '-i', '/bin/sleep', '600'] });
    await service.start();
    const identity = await record();
    await vi.waitFor(async () => expect(await processesWithEnvironment('TEST_PLACE', folder)).toEqual([]), { timeout: 10_000 });
    await service.start();
    expect(await record()).toEqual(identity);
    await service.stop();
    expect(await isSameProcessAlive(identity)).toBe(false);
  });

  test('takes a record of an earlier boot, of a later process or in pieces for no server', async () => {
    const service = createProcessService(config);
    await service.start();
    const identity = await record();
    await service.stop();
    const self = { ...identity, pid: process.pid };
    for (const text of [JSON.stringify(self), JSON.stringify({ ...self, bootId: 'earlier' }), '{"pid":', '']) {
      await writeFile(join(config.stateDir, 'service.json'), text);
      expect(await service.isRunning()).toBe(false);
    }
  });

  async function holdSegment(redirection: '<' | '>>'): Promise<ChildProcess> {
    const segment = join(config.dataDir, 'wal', '0000000000000001.wal');
    await writeFile(segment, 'x');
    const script = `exec 3${redirection}"$0"; echo ready; exec tail -f /dev/null`;
    const holder = spawn('sh', ['-c', script, segment], { stdio: ['ignore', 'pipe', 'ignore'] });
    await once(holder.stdout, 'data');
    return holder;
  }

  test('refuses to start beside a stranger that writes in the data directory, and names it', async () => {
    const holder = await holdSegment('>>');
    try {
      const start = createProcessService(config).start();
      await expect(start).rejects.toMatchObject({ code: 'service-start-failed', details: { pid: holder.pid ?? 0 } });
      expect(await processesWithEnvironment('TEST_PLACE', folder)).toEqual([]);
    } finally {
      holder.kill('SIGKILL');
    }
  });

  test('starts beside somebody who only reads the log', async () => {
    const holder = await holdSegment('<');
    try {
      const service = createProcessService(config);
      await service.start();
      expect(await service.isRunning()).toBe(true);
      await service.stop();
    } finally {
      holder.kill('SIGKILL');
    }
  });

  test('ends a wrapping script together with the server that it runs', async () => {
    const wrapper = join(folder, 'wrapper');
    await writeFile(wrapper, '#!/bin/sh\nsleep 600\necho over\n');
    await chmod(wrapper, 0o755);
    const service = createProcessService({ ...config, command: [wrapper] });
    await service.start();
    await vi.waitFor(async () => expect(await processesWithEnvironment('TEST_PLACE', folder)).toHaveLength(2), { timeout: 10_000 });
    await service.stop();
    expect(await processesWithEnvironment('TEST_PLACE', folder)).toEqual([]);
  });

  test('keeps its state from other users and what the server said for an error', async () => {
    const service = createProcessService({ ...config, command: ['sh', '-c', 'echo one; echo two >&2; exec sleep 600'] });
    expect(await service.logTail()).toBe('');
    await service.start();
    expect((await stat(config.stateDir)).mode & 0o777).toBe(0o700);
    expect((await stat(join(config.stateDir, 'service.log'))).mode & 0o777).toBe(0o600);
    expect((await stat(join(config.stateDir, 'service.json'))).mode & 0o777).toBe(0o600);
    await vi.waitFor(async () => expect(await service.logTail()).toBe('one\ntwo'), { timeout: 10_000 });
    await service.stop();
  });

  test('says which program it did not find', async () => {
    const service = createProcessService({ ...config, command: ['/nonexistent/rstmdb'] });
    await expect(service.start()).rejects.toMatchObject({
      code: 'service-start-failed',
      message: '/nonexistent/rstmdb could not be run: ENOENT',
    });
  });
});
