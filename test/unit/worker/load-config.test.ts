import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { RstowError } from '../../../src/core/errors/rstow-error.ts';
import { loadConfig, parseConfig } from '../../../src/worker/load-config.ts';

const lines = [
  'agent: { name: db1 }',
  'repositories:',
  '  local: { kind: folder, path: /backup }',
  'databases:',
  '  orders:',
  '    server: { address: "127.0.0.1:7401" }',
  '    dataDir: /var/lib/rstmdb',
  '    repositories: [local]',
];

/** The sentence that the config with these lines replaced (by number, from 1) or added is refused with. */
function refusal(changes: Record<number, string>): string {
  const changed = [...lines];
  for (const [number, line] of Object.entries(changes)) changed[Number(number) - 1] = line;
  try {
    parseConfig('/etc/rstow.yaml', changed.join('\n'));
  } catch (error) {
    if (error instanceof RstowError && error.code === 'invalid-config') return error.message;
    throw error;
  }
  throw new Error('the config was accepted');
}

test('refuses a port that there is none of, wherever an address stands', () => {
  expect(refusal({ 6: '    server: { address: "127.0.0.1:70000" }' })).toMatch(/address must have a port from 1 to 65535/);
  expect(refusal({ 1: 'temporal: { address: "127.0.0.1:0" }' })).toMatch(/address must have a port from 1 to 65535/);
});

test.each(['/var/lib/rstmdb/backup', '/var/lib/rstmdb', '/var/lib', '/var/lib/other/../rstmdb/wal'])(
  'refuses a repository in or around a data directory: %s',
  (path) => {
    expect(refusal({ 3: `  local: { kind: folder, path: ${path} }` })).toMatch(
      /line 3: repositories\.local\.path must lie outside of the data directory \/var\/lib\/rstmdb/,
    );
  },
);

test('fills in every default', () => {
  const config = parseConfig('/etc/rstow.yaml', lines.join('\n'));
  expect(config.agent.stateDir).toBe('/var/lib/rstow');
  expect(config.timing).toMatchObject({ heartbeatMs: 30_000, ownerPollMs: 60_000 });
  expect(config.databases['orders']).toMatchObject({
    service: { kind: 'none' },
    rehearsal: { policy: 'required' },
    safetyCopyMs: 604_800_000,
  });
});

test('names the line of a misspelt key and the key that was meant', () => {
  expect(refusal({ 7: '    datadir: /var/lib/rstmdb' })).toBe(
    [
      '/etc/rstow.yaml has 2 faults:',
      '  line 5: databases.orders.dataDir is missing; write, for example, dataDir: /var/lib/rstmdb',
      '  line 7: databases.orders.datadir is unknown; did you mean "dataDir"?',
    ].join('\n'),
  );
  expect(refusal({ 9: '    saftyCopyMs: 5' })).toBe(
    '/etc/rstow.yaml, line 9: databases.orders.saftyCopyMs is unknown; did you mean "safetyCopyMs"?',
  );
  expect(refusal({ 1: 'agnet: { name: db1 }' })).toBe('/etc/rstow.yaml, line 1: agnet is unknown; did you mean "agent"?');
});

test('tells a key of another kind from one that is unknown', () => {
  expect(refusal({ 3: '  local: { kind: s3, bucket: example-backups, path: /backup }' })).toBe(
    '/etc/rstow.yaml, line 3: repositories.local.path is no key of this kind',
  );
});

test('names all faults at once, in the order of their lines, and what to write', () => {
  const refused = refusal({ 6: '    server: { address: 7401 }', 7: '    dataDir:', 8: '    repositories: []', 9: '    standby: maybe' });
  expect(refused.split('\n')).toEqual([
    '/etc/rstow.yaml has 4 faults:',
    '  line 6: databases.orders.server.address must be text, in quotes if need be; write, for example, address: 127.0.0.1:7401',
    '  line 7: databases.orders.dataDir is empty; write, for example, dataDir: /var/lib/rstmdb',
    '  line 8: databases.orders.repositories must not be empty; write, for example, repositories: ["local"]',
    '  line 9: databases.orders.standby must be true or false',
  ]);
});

test('names what is wrong between sections in the same pass as what is wrong within them', () => {
  const refused = refusal({
    1: 'temporal: { address: "127.0.0.1:7233", embedded: {}, uiPort: 8233 }',
    3: '  local: { kind: folder, path: /var/lib/rstmdb/backup }',
    7: '    dataDir: /var/lib/rstmdb',
    8: '    repositories: [locl]',
    9: '    rehearsal: { port: soon, command: [rstmdb], container: { engine: docker, image: rstmdb } }',
  });
  expect(refused.split('\n')).toEqual([
    '/etc/rstow.yaml has 6 faults:',
    '  line 1: temporal.uiPort is unknown',
    '  line 1: temporal.embedded can’t be combined with temporal.address, which names another server',
    '  line 3: repositories.local.path must lie outside of the data directory /var/lib/rstmdb, and not around it',
    '  line 8: databases.orders.repositories.0 names the repository "locl", which "repositories" does not have; did you mean "local"?',
    '  line 9: databases.orders.rehearsal.port must be a number',
    '  line 9: databases.orders.rehearsal.container can’t be combined with rehearsal.command',
  ]);
});

test('names at most twenty faults', () => {
  const wrong = Array.from({ length: 30 }, (_, index) => [20 + index, `    wrong${index}: 1`]);
  const told = refusal(Object.fromEntries(wrong) as Record<number, string>).split('\n');
  expect([told[0], told.length, told.at(-1)]).toEqual(['/etc/rstow.yaml has 30 faults:', 22, '  and 10 more']);
});

test('names the line around a key that is missing', () => {
  expect(refusal({ 6: '    server: {}' })).toBe(
    '/etc/rstow.yaml, line 6: databases.orders.server.address is missing; write, for example, address: 127.0.0.1:7401',
  );
});

test('says what a value must be', () => {
  expect(refusal({ 7: '    dataDir: relative/path' })).toBe('/etc/rstow.yaml, line 7: databases.orders.dataDir must be an absolute path');
  expect(refusal({ 6: '    server: { address: nonsense }' })).toBe(
    '/etc/rstow.yaml, line 6: databases.orders.server.address must look like host:port',
  );
  expect(refusal({ 9: '    maxDowntimeMs: soon' })).toMatch(/line 9: databases\.orders\.maxDowntimeMs .*number/);
});

test('lists the kinds where another was named', () => {
  expect(refusal({ 9: '    service: { kind: upstart }' })).toBe(
    '/etc/rstow.yaml, line 9: databases.orders.service.kind must be one of process, systemd, docker, commands, none',
  );
  expect(refusal({ 3: '  local: { kind: folder, path: /backup, encryption: { kind: aeg } }' })).toBe(
    '/etc/rstow.yaml, line 3: repositories.local.encryption.kind must be one of age, gpg',
  );
});

test('refuses a database whose repository is not in the file, and names the nearest', () => {
  expect(refusal({ 8: '    repositories: [locl]' })).toBe(
    '/etc/rstow.yaml, line 8: databases.orders.repositories.0 names the repository "locl", which "repositories" does not have; did you mean "local"?',
  );
});

test('refuses what is no YAML, a key that comes twice, and an empty file, in one line each', () => {
  expect(refusal({ 8: '    repositories: [local' })).toMatch(/^\/etc\/rstow\.yaml is not YAML: [^\n]+ line [0-9]+[^\n]*$/);
  expect(refusal({ 9: '    dataDir: /elsewhere' })).toMatch(/is not YAML: Map keys must be unique at line 9/);
  expect(() => parseConfig('/etc/rstow.yaml', '')).toThrow(/^\/etc\/rstow\.yaml is empty$/);
  expect(() => parseConfig('/etc/rstow.yaml', '- orders')).toThrow('/etc/rstow.yaml: the file must be a section with keys');
});

test('says which file can not be read', async () => {
  await expect(loadConfig('/nowhere/rstow.yaml')).rejects.toMatchObject({
    code: 'invalid-config',
    message: 'the config file /nowhere/rstow.yaml does not exist',
  });
});

test('reads a file', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'rstow-config-'));
  try {
    const file = join(folder, 'rstow.yaml');
    await writeFile(file, lines.join('\n'));
    expect((await loadConfig(file)).agent.name).toBe('db1');
  } finally {
    await rm(folder, { recursive: true });
  }
});
