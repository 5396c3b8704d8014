import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { loadConfig } from '../../../src/worker/load-config.ts';
import { ownSigningKey } from '../../../src/worker/signing-key.ts';
import { compareVersions, copyDatabase } from '../../../src/up/dev-server.ts';
import { type FlagConfig, flagConfigFile } from '../../../src/up/flag-config.ts';
import { freePort } from '../../support/free-port.ts';
import { type RstmdbServer, startRstmdb } from '../../support/rstmdb-server.ts';

/** Of all the tests; each has a folder of its own. */
let data: string;
let server: RstmdbServer;
let folder: string;
let flags: FlagConfig;

beforeAll(async () => {
  data = await mkdtemp(join(tmpdir(), 'rstow-up-data-'));
  server = await startRstmdb({ dataDir: data });
});

afterAll(async () => {
  await server.stop();
  await rm(data, { recursive: true });
});

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rstow-up-'));
  const { dataDir, address } = server;
  flags = { database: 'orders', server: address, dataDir, repository: join(folder, 'repository'), stateDir: join(folder, 'state') };
});

afterEach(() => rm(folder, { recursive: true, force: true }));

test('orders versions by number, not by letter', () => {
  expect(compareVersions('1.10.0', '1.9.1')).toBeGreaterThan(0);
  expect(compareVersions('1.9.1', '1.9.10')).toBeLessThan(0);
  expect(compareVersions('2.0.0', '1.99.99')).toBeGreaterThan(0);
  expect(compareVersions('1.9.1', '1.9.1')).toBe(0);
});

test('copies a database with the journal that a killed server left, and leaves a copy that is there', async () => {
  const database = join(folder, 'temporal.db');
  await writeFile(database, 'old');
  await writeFile(`${database}-journal`, 'half');
  await copyDatabase(database, '1.9.0');
  expect(await readFile(`${database}.1.9.0.bak`, 'utf8')).toBe('old');
  expect(await readFile(`${database}.1.9.0.bak-journal`, 'utf8')).toBe('half');
  await writeFile(database, 'changed by a newer server');
  await copyDatabase(database, '1.9.0');
  expect(await readFile(`${database}.1.9.0.bak`, 'utf8')).toBe('old');
});

test('makes a config file and the repository’s folder of the flags', async () => {
  const config = await loadConfig((await flagConfigFile(flags)).file);
  expect(config.agent.stateDir).toBe(flags.stateDir);
  expect(config.temporal.embedded).toEqual({ port: 7233, uiPort: 8233 });
  expect(config.databases['orders']).toMatchObject({
    dataDir: flags.dataDir,
    server: { address: flags.server },
    service: { kind: 'process' },
  });
  const { publicLine } = await ownSigningKey(flags.stateDir);
  expect(config.repositories['local']).toEqual({ kind: 'folder', path: flags.repository, signers: { 'this-host': publicLine } });
  expect(await readdir(flags.repository)).toEqual([]);
});

test('asks for no signatures in a repository that is there already: its objects may bear those of another host', async () => {
  await mkdir(flags.repository);
  await writeFile(join(flags.repository, 'rstow-repository.json'), '{}');
  const config = await loadConfig((await flagConfigFile(flags)).file);
  expect(config.repositories['local']).toEqual({ kind: 'folder', path: flags.repository });
});

test('keeps what a person has edited in the file, and refuses flags that mean other places', async () => {
  const { file } = await flagConfigFile(flags);
  const edited = `${await readFile(file, 'utf8')}timing: { heartbeatMs: 1234 }\n`;
  await writeFile(file, edited);
  expect((await flagConfigFile(flags)).file).toBe(file);
  expect(await readFile(file, 'utf8')).toBe(edited);
  for (const [change, says, todo] of [
    [{ dataDir: '/other' }, `was made with --data-dir ${data}`, 'correct databases.orders.dataDir in the file'],
    [{ server: '127.0.0.1:2' }, `was made with --server ${flags.server}`, 'correct databases.orders.server.address in the file'],
    [{ repository: '/other' }, `was made with --repository ${flags.repository}`, 'correct repositories.local in the file'],
    [{ database: 'bills' }, 'has no database "bills"; it has: orders', 'Name it by --database as that file does'],
  ] as const) {
    const hint = expect.stringContaining(todo) as string;
    await expect(flagConfigFile({ ...flags, ...change })).rejects.toMatchObject({
      code: 'invalid-config',
      message: `${file} ${says}`,
      hint,
    });
  }
});

test('makes nothing if nobody answers at the server’s address: it may be a typo, and the next command line is taken', async () => {
  await expect(flagConfigFile({ ...flags, server: `127.0.0.1:${await freePort()}` })).rejects.toMatchObject({
    code: 'server-unreachable',
    hint: 'Start the server, or correct --server. No config file was written.',
  });
  expect(await readdir(folder)).toEqual([]);
  const { file } = await flagConfigFile(flags);
  expect((await loadConfig(file)).databases['orders']?.server.address).toBe(server.address);
});

test('makes nothing if the repository’s parent is missing: its disk may not be mounted', async () => {
  const wrong = { ...flags, repository: join(folder, 'unmounted', 'repository') };
  await expect(flagConfigFile(wrong)).rejects.toMatchObject({ code: 'repository-unavailable' });
  expect(await readdir(folder)).toEqual([]);
});

test('makes nothing of a data directory that is missing: the next command line may name another one', async () => {
  await expect(flagConfigFile({ ...flags, dataDir: join(folder, 'typo') })).rejects.toMatchObject({ code: 'data-directory-missing' });
  expect(await readdir(folder)).toEqual([]);
});

test('writes nothing down of a repository that a link leads into the data directory', async () => {
  await mkdir(join(flags.dataDir, 'backups'));
  await symlink(join(flags.dataDir, 'backups'), join(folder, 'link'));
  await expect(flagConfigFile({ ...flags, repository: join(folder, 'link') })).rejects.toMatchObject({ code: 'invalid-config' });
  expect(await readdir(folder)).toEqual(['link']);
});

test('says of a server that it can not see how to write down what starts it', async () => {
  const [file, dataDir, address] = [join(flags.stateDir, 'rstow.yaml'), join(folder, 'data'), `127.0.0.1:${await freePort()}`];
  for (const made of [flags.stateDir, dataDir]) await mkdir(made);
  const repositories = { local: { kind: 'folder', path: flags.repository } };
  const orders = { server: { address }, dataDir, repositories: ['local'] };
  await writeFile(
    file,
    stringify({ agent: { stateDir: flags.stateDir }, temporal: { embedded: {} }, repositories, databases: { orders } }),
  );
  flags = { ...flags, dataDir, server: address };
  const { found } = await flagConfigFile(flags);
  expect(found?.found).toContain('can’t be seen');
  expect(found?.todo.join('\n')).toContain(`under databases.orders in ${file}`);
  const lines = (found?.todo ?? []).filter((line) => line.startsWith('  ')).map((line) => `  ${line}`);
  await writeFile(file, (await readFile(file, 'utf8')).replace('  orders:\n', `  orders:\n${lines.join('\n')}\n`));
  expect((await loadConfig(file)).databases['orders']?.service).toMatchObject({ kind: 'systemd', unit: 'rstmdb.service' });
  expect((await flagConfigFile(flags)).found).toBeUndefined();
});

test.each([
  { change: { server: 'nowhere' }, says: '--server must look like host:port' },
  { change: { database: 'Orders' }, says: '--database is not a name that is allowed here: it must be 1 to 63 of a-z, 0-9 and -' },
  { change: { repository: '/data/backups', dataDir: '/data' }, says: '--repository must lie outside of the data directory /data, ' },
])('names the option that no config file could hold: $says', async ({ change, says }) => {
  await expect(flagConfigFile({ ...flags, ...change })).rejects.toMatchObject({
    code: 'invalid-input',
    message: expect.stringContaining(says) as string,
  });
  expect(await readdir(folder)).toEqual([]);
});

test('says which option names a data directory that is not there', async () => {
  await expect(flagConfigFile({ ...flags, dataDir: join(folder, 'typo') })).rejects.toMatchObject({
    hint: 'Mount or create the data directory, or correct --data-dir.',
  });
});
