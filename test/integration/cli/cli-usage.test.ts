import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { freePort } from '../../support/free-port.ts';
import { runRstow } from './rstow-process.ts';

const { version: packageVersion } = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as {
  version: string;
};
const IMPORTS_PRINTER = new URL('./print-imports.ts', import.meta.url).href;

test('explains itself on stdout, and ends with 0', async () => {
  const { exitCode, stdout, stderr } = await runRstow(['--help']);
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
  for (const command of ['agent', 'backup', 'restore', 'verify', 'list', 'info', 'up'])
    expect(stdout).toMatch(new RegExp(`^  ${command}\\b`, 'm'));
});

test('prints its version', async () => {
  expect(await runRstow(['--version'])).toEqual({ exitCode: 0, stdout: `rstow ${packageVersion}\n`, stderr: '' });
});

test('loads neither Temporal nor zod for its help, so that it is there at once', async () => {
  const { stdout, stderr } = await runRstow(['restore', '--help'], { NODE_OPTIONS: `--import ${IMPORTS_PRINTER}` });
  expect(stdout).toMatch(/^Usage: rstow restore /);
  expect(stderr).toContain('commander');
  expect(stderr).not.toMatch(/@temporalio|zod|pino/);
});

test.each([
  ['a command', 'bakcup orders', /^error: invalid-input: unknown command 'bakcup'\nhint: Did you mean backup\? `rstow --help` /],
  ['an option', 'backup orders --jsn', /^error: invalid-input: unknown option '--jsn'\nhint: Did you mean --json\? `rstow backup --help` /],
])('names the nearest one to %s that it does not know', async (_name, line, message) => {
  const { exitCode, stderr } = await runRstow(line.split(' '));
  expect(exitCode).toBe(2);
  expect(stderr).toMatch(message);
});

test('reports a wrong command line to programs in JSON', async () => {
  const { exitCode, stdout } = await runRstow(['backup', 'orders', '--fast', '--json']);
  expect(exitCode).toBe(2);
  expect(JSON.parse(stdout)).toMatchObject({ message_type: 'error', code: 'invalid-input', exitCode: 2 });
});

test.each([
  ['no command', []],
  ['an unknown command', ['bakcup', 'orders']],
  ['an unknown option', ['backup', 'orders', '--fast']],
  ['a missing database', ['backup']],
  ['an unknown level', ['verify', 'orders', '--level', 'deep']],
  ['a limit that is no number', ['list', 'orders', '--limit', 'all']],
])('ends with 2 on %s, and says so on stderr', async (_name, args) => {
  const { exitCode, stdout, stderr } = await runRstow(args);
  expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
  expect(stderr).not.toBe('');
});

test('refuses a wrong input before it asks for Temporal', async () => {
  const env = { TEMPORAL_ADDRESS: '127.0.0.1:1' };
  const wrongName = await runRstow(['backup', 'Orders'], env);
  expect(wrongName.exitCode).toBe(2);
  expect(wrongName.stderr).toMatch(
    /^error: invalid-input: the database’s name must be .*\nhint: `rstow backup --help` lists its options\.\n/,
  );
  const noDirectory = await runRstow(['restore', 'orders', '--to-agent', 'db2'], env);
  expect(noDirectory.stderr).toMatch(
    'error: invalid-input: --to-agent needs --to-dir, the directory on that agent’s host to restore into\nhint: ',
  );
  const relative = await runRstow(['restore', 'orders', '--to-dir', 'here'], env);
  expect(relative.stderr).toMatch('error: invalid-input: --to-dir must be an absolute path');
});

test('says that it waits, and ends with 17 within seconds if no Temporal answers, by variable and by option', async () => {
  const address = `127.0.0.1:${await freePort()}`;
  const started = performance.now();
  const byVariable = await runRstow(['list', 'orders'], { TEMPORAL_ADDRESS: address });
  expect(byVariable.stderr).toMatch(new RegExp(`^waiting for Temporal at ${address}\\n`));
  const said = `error: temporal-unreachable: no Temporal server answers at ${address} (named by TEMPORAL_ADDRESS or temporal.toml)\nhint: `;
  expect(byVariable.stderr).toContain(said);
  expect(byVariable.exitCode).toBe(17);
  const byOption = await runRstow(['info', 'orders', '--address', address, '--json'], { TEMPORAL_ADDRESS: '127.0.0.1:1' });
  expect(JSON.parse(byOption.stdout)).toMatchObject({ message_type: 'error', code: 'temporal-unreachable', exitCode: 17 });
  expect(performance.now() - started).toBeLessThan(20_000);
});

test('ends an agent with 2 on a config file that is not there', async () => {
  const { exitCode, stderr } = await runRstow(['agent', '--config', '/nowhere/rstow.yaml']);
  expect(exitCode).toBe(2);
  expect(stderr).toMatch('error: invalid-config: the config file /nowhere/rstow.yaml does not exist\nhint: Name the config file');
});
