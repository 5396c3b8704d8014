import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createCommandsService, type CommandsServiceConfig } from '../../src/io/service/commands-service.ts';
import { serviceSuite, type ServicePlace } from '../suites/service-suite.ts';

/** Stand for an init system: a pid file, a log, SIGINT and then SIGKILL. */
const scripts = {
  start: `"$@" >>"$TEST_PLACE/log" 2>&1 </dev/null &
echo $! >"$TEST_PLACE/pid"
sleep 1
"$TEST_PLACE/status" || { tail "$TEST_PLACE/log" >&2; exit 5; }`,
  stop: `pid=$(cat "$TEST_PLACE/pid")
kill -INT "$pid"
waited=0
while "$TEST_PLACE/status"; do
  [ "$waited" -lt "$1" ] || kill -KILL "$pid"
  waited=$((waited + 100))
  sleep 0.1
done`,
  status: `[ -e "$TEST_PLACE/pid" ] || exit 3
case $(sed 's/.*) //' "/proc/$(cat "$TEST_PLACE/pid")/stat" 2>/dev/null) in '' | Z*) exit 3 ;; esac`,
};

serviceSuite('commands', async (place: ServicePlace) => {
  const { folder, command, env, stopTimeoutMs } = place;
  for (const [name, script] of Object.entries(scripts)) {
    await writeFile(join(folder, name), `#!/bin/sh\n${script}\n`);
    await chmod(join(folder, name), 0o755);
  }
  return createCommandsService({
    start: [join(folder, 'start'), ...command],
    stop: [join(folder, 'stop'), String(stopTimeoutMs)],
    status: [join(folder, 'status')],
    env,
    timeoutMs: 10_000,
  });
});

describe('a commands service', () => {
  let folder: string;
  let config: CommandsServiceConfig;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'rstow-commands-service-'));
    config = { start: ['true'], stop: ['true'], status: ['test', '-e', join(folder, 'runs')], env: {}, timeoutMs: 10_000 };
  });

  afterEach(() => rm(folder, { recursive: true, force: true }));

  test('does not take a status command that was not run, or was killed, for a stopped server', async () => {
    for (const status of [['/nonexistent/status'], ['sh', '-c', 'exit 127'], ['sh', '-c', 'kill -9 $$']]) {
      await expect(createCommandsService({ ...config, status }).isRunning()).rejects.toMatchObject({ code: 'failed' });
    }
  });

  test('calls a stop failed after which the server still runs', async () => {
    await writeFile(join(folder, 'runs'), '');
    await expect(createCommandsService(config).stop()).rejects.toMatchObject({ code: 'service-stop-failed' });
  });

  test('calls a start and a stop failed that take too long', async () => {
    const slow = ['sleep', '60'];
    await expect(createCommandsService({ ...config, start: slow, timeoutMs: 400 }).start()).rejects.toMatchObject({
      code: 'service-start-failed',
    });
    await writeFile(join(folder, 'runs'), '');
    await expect(createCommandsService({ ...config, stop: slow, timeoutMs: 400 }).stop()).rejects.toMatchObject({
      code: 'service-stop-failed',
    });
  });

  test('quotes stdout where a failed command said nothing on stderr', async () => {
    const start = ['sh', '-c', 'echo unit not found; exit 5'];
    await expect(createCommandsService({ ...config, start }).start()).rejects.toMatchObject({
      message: 'the start command ended with 5: unit not found',
    });
  });
});
