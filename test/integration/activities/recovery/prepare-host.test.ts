import { chown, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { type PreparedHost, prepareHost } from '../../../../src/activities/recovery/prepare-host.ts';
import { CONFIG_FILE_BYTES_MAX } from '../../../../src/store/attachments.ts';
import type { Manifest } from '../../../../src/formats/repository/manifest.ts';
import { backupKey } from '../../../../src/core/repository/object-keys.ts';
import { DATABASE, type DatabaseStack, makeDatabaseStack } from '../../../support/database-stack.ts';
import { backUp, directDeps, directRun } from '../../../support/direct-backup.ts';
import { startLoadWriters } from '../../../support/load-writers.ts';
import { makeStandbyHost } from '../../../support/standby-host.ts';

const SECRET = 'open-sesame';
const SERVER_CONFIG = `bind_addr: "0.0.0.0:7401" # as the operator wrote it\nreplication: { auth_token: ${SECRET} }\n`;
const REPLACED = /"removed-by-rstow-[0-9a-f]{32}"/;
const SERVER_GROUP = 4321;

let stack: DatabaseStack;
let manifest: Manifest;
let configFile: string;
let trace: string;
let hosts = 0;

beforeAll(async () => {
  configFile = join(await mkdtemp(join(tmpdir(), 'rstow-server-config-')), 'etc', 'rstmdb.yaml');
  await mkdir(dirname(configFile), { recursive: true });
  await writeFile(configFile, SERVER_CONFIG);
  stack = await makeDatabaseStack({ temporalAddress: 'nobody:1', server: { configFiles: [configFile] } });
  const load = await startLoadWriters({ address: stack.address, writers: 1 });
  await load.acknowledgedAtLeast(10);
  await load.stop();
  if (process.getuid?.() === 0) await chown(stack.walDir, 0, SERVER_GROUP);
  manifest = await backUp(stack);
});
beforeEach(async () => {
  await rm(dirname(configFile), { recursive: true, force: true });
  trace = join(stack.folder, `trace-${(hosts += 1)}`);
});
afterAll(async () => {
  await rm(dirname(dirname(configFile)), { recursive: true, force: true });
  await stack.remove();
});

/** The config file with the secret that an operator would write into it. */
const completed = async (): Promise<string> => (await readFile(configFile, 'utf8')).replace(REPLACED, SECRET);

/** A command that writes a line down. */
const noted = (line: string, more = ''): string[] => ['sh', '-c', `echo "${line}" >> ${trace}; ${more}`];

/** Prepares a new host whose config has these commands; twice is what a retry does. */
async function prepare(commands: string[][]): Promise<PreparedHost & { again: () => Promise<PreparedHost>; dataDir: string }> {
  const host = await makeStandbyHost(stack, { name: `db-${hosts}`, database: { prepare: commands } });
  const step = directRun(directDeps(host));
  const input = { database: DATABASE, repository: 'local', label: manifest.label, planHash: '' };
  return { ...(await step(prepareHost, input)), again: () => step(prepareHost, input), dataDir: host.dataDir };
}

const traced = async (): Promise<string[]> => (await readFile(trace, 'utf8')).trimEnd().split('\n');

it('gives the server its config file back as the operator wrote it, for the server’s group to read', async () => {
  const { placed } = await prepare([]);
  expect(placed).toEqual([configFile]);
  expect(await completed()).toBe(SERVER_CONFIG);
  const { mode, gid } = await stat(configFile);
  expect(mode & 0o777).toBe(0o640);
  if (process.getuid?.() === 0) expect(gid).toBe(SERVER_GROUP);
});

it('stores no secret of the server’s config, and says of a file that comes back without one what to do', async () => {
  const { name } = manifest.attachments.find((attachment) => attachment.name.startsWith('server-config-'))!;
  const stored = await readFile(join(stack.repositoryDir, backupKey(DATABASE, manifest.label, `${name}.zst`)));
  expect(zstdDecompressSync(stored).toString()).toBe(SERVER_CONFIG.replace(SECRET, '"removed-by-rstow"'));
  const { warnings, again } = await prepare([]);
  expect(warnings).toEqual([{ code: 'config-secrets-lacking', message: expect.stringContaining(configFile) as string }]);
  expect(await readFile(configFile, 'utf8')).toMatch(REPLACED);
  expect(await again()).toEqual({ placed: [], warnings });
});

it('leaves a config file alone that is there', async () => {
  await mkdir(dirname(configFile), { recursive: true });
  await writeFile(configFile, 'mine');
  expect((await prepare([])).placed).toEqual([]);
  expect(await readFile(configFile, 'utf8')).toBe('mine');
});

it('places the file though an attempt died in the middle of it, and clears what that left', async () => {
  await mkdir(dirname(configFile), { recursive: true });
  await writeFile(`${configFile}.6f9619ff-8b86-4d01-b42d-00cf4fc964ff.tmp`, SERVER_CONFIG.slice(0, 9));
  await writeFile(`${configFile}.old.tmp`, 'an operator’s own');
  expect((await prepare([])).placed).toEqual([configFile]);
  expect(await completed()).toBe(SERVER_CONFIG);
  expect((await readdir(dirname(configFile))).sort()).toEqual(['rstmdb.yaml', 'rstmdb.yaml.old.tmp']);
});

it('runs the commands in order, after the config is there, and tells them the database and its directory', async () => {
  const { dataDir } = await prepare([noted('install', `test -f ${configFile}`), noted('user'), noted('$RSTOW_DATABASE $RSTOW_DATA_DIR')]);
  expect(await traced()).toEqual(['install', 'user', `${DATABASE} ${dataDir}`]);
});

it('runs all of them again on a retry, and leaves the config file as it is by then', async () => {
  const { again } = await prepare([noted('install'), noted('user')]);
  await writeFile(configFile, 'changed by a command');
  expect(await again()).toEqual({ placed: [], warnings: [] });
  expect(await traced()).toEqual(['install', 'user', 'install', 'user']);
  expect(await readFile(configFile, 'utf8')).toBe('changed by a command');
});

it.each([
  ['ends with a number', ['sh', '-c', 'echo first >&2; echo no space left >&2; exit 7'], '(sh) ended with 7: no space left'],
  ['says nothing', ['false'], '(false) ended with 1: it said nothing'],
  ['is ended by a signal', ['sh', '-c', 'kill -9 $$'], '(sh) ended with 137: it said nothing'],
  ['is not there', ['/nowhere/useradd'], '(/nowhere/useradd) failed: /nowhere/useradd could not be run: ENOENT'],
])('names the command that %s, and runs none after it', async (_how, command, sentence) => {
  await expect(prepare([noted('install'), command, noted('never')])).rejects.toMatchObject({
    code: 'prepare-failed',
    message: `prepare command 2 ${sentence}`,
  });
  expect(await traced()).toEqual(['install']);
});

it('refuses a config file that unpacks to more than one can be, before it fills the host', async () => {
  const { name } = manifest.attachments.find((attachment) => attachment.name.startsWith('server-config-1-'))!;
  const path = join(stack.repositoryDir, backupKey(DATABASE, manifest.label, `${name}.zst`));
  const stored = await readFile(path);
  await rm(path);
  await writeFile(path, zstdCompressSync(Buffer.alloc(CONFIG_FILE_BYTES_MAX + 1, ' ')));
  try {
    await expect(prepare([])).rejects.toMatchObject({
      code: 'damaged-object',
      message: expect.stringContaining('unpacks to more') as string,
    });
    await expect(readFile(configFile)).rejects.toMatchObject({ code: 'ENOENT' });
  } finally {
    await writeFile(path, stored);
  }
});
