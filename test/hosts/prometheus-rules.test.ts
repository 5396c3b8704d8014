/** The alerts of deploy/ by Prometheus' own promtool. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, expect, it } from 'vitest';
import { runProgram } from '../support/run-program.ts';

const deploy = fileURLToPath(new URL('../../deploy', import.meta.url));
const INSTALL_MS = 240_000;

async function promtool(file: string, ...command: string[]): ReturnType<typeof runProgram> {
  return runProgram('promtool', [...command, join(deploy, file)], { timeoutMs: 120_000 });
}

beforeAll(async () => {
  if ((await runProgram('sh', ['-c', 'command -v promtool'])).exitCode === 0) return;
  const install = 'apt-get install -y --no-install-recommends prometheus';
  const env = { DEBIAN_FRONTEND: 'noninteractive' };
  await runProgram('sh', ['-c', `${install} || { apt-get update && ${install}; }`], { env, timeoutMs: INSTALL_MS });
}, INSTALL_MS + 10_000);

it('Prometheus takes the rules', async () => {
  const { exitCode, stdout, stderr } = await promtool('prometheus-rules.yml', 'check', 'rules');
  expect(exitCode, stdout + stderr).toBe(0);
});

it('each alert fires when it should, and not before', async () => {
  const { exitCode, stdout, stderr } = await promtool('prometheus-rules.test.yml', 'test', 'rules');
  expect(exitCode, stdout + stderr).toBe(0);
});
