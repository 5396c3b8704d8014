/** What deploy/ has, by the tools of those who read it. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { runProgram } from '../support/run-program.ts';
import { lackOf } from '../support/tools.ts';

const DEPLOY = fileURLToPath(new URL('../../deploy', import.meta.url));
/** In tenths, as `systemd-analyze` wants it: below 4.5 a unit is "OK". */
const EXPOSURE_MAX = '45';

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rstow-deploy-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function expectTaken(program: string, ...args: string[]): Promise<void> {
  const { exitCode, stdout, stderr } = await runProgram(program, args);
  expect(exitCode, stdout + stderr).toBe(0);
}

const promtool = lackOf('promtool');

it.skipIf(promtool !== '').each([
  ['Prometheus takes its config', ['check', 'config'], 'prometheus.yml'],
  ['Prometheus takes the rules', ['check', 'rules'], 'prometheus-rules.yml'],
  ['each alert fires when it should, and not before', ['test', 'rules'], 'prometheus-rules.test.yml'],
])(`%s${promtool}`, async (_claim, command, file) => {
  await expectTaken('promtool', ...command, join(DEPLOY, file));
});

const amtool = lackOf('amtool');

it.skipIf(amtool !== '')(`Alertmanager takes its config${amtool}`, async () => {
  await expectTaken('amtool', 'check-config', join(DEPLOY, 'alertmanager.yml'));
});

const compose = lackOf('docker-compose');

it.skipIf(compose !== '')(`a real compose reads docker-compose.yml${compose}`, async () => {
  await expectTaken('docker-compose', '--file', join(DEPLOY, '../docker-compose.yml'), 'config', '--quiet');
});

const systemdAnalyze = lackOf('systemd-analyze');

it.skipIf(systemdAnalyze !== '')(`systemd takes the unit, and calls what it leaves open OK${systemdAnalyze}`, async () => {
  const unit = await readFile(join(DEPLOY, 'rstow-agent.service'), 'utf8');
  const file = join(folder, 'rstow.service');
  // It wants the program to be there.
  await writeFile(file, unit.replace('ExecStart=/usr/local/bin/rstow', 'ExecStart=/bin/true'));
  await expectTaken('systemd-analyze', 'verify', file);
  await expectTaken('systemd-analyze', 'security', '--offline=yes', `--threshold=${EXPOSURE_MAX}`, file);
});
