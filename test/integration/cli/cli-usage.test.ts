import { expect, test } from 'vitest';
import { freePort } from '../../support/free-port.ts';
import { runRstow } from './rstow-process.ts';

test('explains itself on stdout, and ends with 0', async () => {
  const { exitCode, stdout, stderr } = await runRstow(['--help']);
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
  for (const command of ['agent', 'backup', 'restore', 'verify', 'list', 'info', 'demo'])
    expect(stdout).toMatch(new RegExp(`^  ${command}\\b`, 'm'));
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

test('refuses a wrong input before it looks for Temporal', async () => {
  const env = { TEMPORAL_ADDRESS: '127.0.0.1:1' };
  const wrongName = await runRstow(['backup', 'Orders'], env);
  expect(wrongName.exitCode).toBe(2);
  expect(wrongName.stderr).toMatch(/^error: invalid-input: field "database" must be .*\nhint: /);
  const noDirectory = await runRstow(['restore', 'orders', '--to-agent', 'db2'], env);
  expect(noDirectory.stderr).toMatch('field "to.dataDir" is missing');
});

test('ends with 17 within seconds where no Temporal answers, by variable and by option', async () => {
  const address = `127.0.0.1:${await freePort()}`;
  const started = performance.now();
  const byVariable = await runRstow(['list', 'orders'], { TEMPORAL_ADDRESS: address });
  expect(byVariable.stderr).toMatch(`error: temporal-unreachable: no Temporal answers at ${address}\nhint: `);
  expect(byVariable.exitCode).toBe(17);
  const byOption = await runRstow(['info', 'orders', '--address', address, '--json'], { TEMPORAL_ADDRESS: '127.0.0.1:1' });
  expect(JSON.parse(byOption.stdout)).toMatchObject({ message_type: 'error', code: 'temporal-unreachable', exitCode: 17 });
  expect(performance.now() - started).toBeLessThan(40_000);
});

test('ends an agent with 2 on a config file that is not there', async () => {
  const { exitCode, stderr } = await runRstow(['agent', '--config', '/nowhere/rstow.yaml']);
  expect(exitCode).toBe(2);
  expect(stderr).toMatch("error: invalid-config: /nowhere/rstow.yaml can't be read: ENOENT\nhint: ");
});
