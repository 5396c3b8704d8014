import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { configChoices, configKeys } from '../../../src/config/config-faults.ts';
import { parseConfig } from '../../../src/worker/load-config.ts';

const exampleFile = fileURLToPath(new URL('../../../examples/rstow.yaml', import.meta.url));

test('accepts the example that the hints point to', async () => {
  const config = parseConfig(exampleFile, await readFile(exampleFile, 'utf8'));
  expect(config.databases['orders']).toMatchObject({ dataDir: '/var/lib/rstmdb', repositories: ['local'], maxDowntimeMs: 120_000 });
  expect(config.repositories['local']).toEqual({ kind: 'folder', path: '/backup/rstmdb' });
});

test('knows the keys of every level, through names that a person chose and through choices', () => {
  expect(configKeys([])).toEqual(['agent', 'operators', 'temporal', 'repositories', 'databases', 'alerts', 'timing']);
  expect(configKeys(['databases', 'orders', 'server', 'tls'])).toContain('caFile');
  expect(configKeys(['databases', 'orders', 'service'])).toEqual(expect.arrayContaining(['command', 'stopTimeoutMs', 'status']));
  expect(configKeys(['databases', 'orders', 'nothing', 'there'])).toEqual([]);
});

test('knows the choices of a kind', () => {
  expect(configChoices(['databases', 'orders', 'service', 'kind'])).toEqual(['process', 'systemd', 'docker', 'commands', 'none']);
});
