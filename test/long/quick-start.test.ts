/**
 * The README's quick start, each line as it stands there, on a machine whose ports are free (a network of its own):
 * as root against a server that its user has started by hand, and as the server's own user against one that rstow has started.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, chown, cp, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, inject, test } from 'vitest';
import { createInstance, deleteInstance } from '../../src/io/rstmdb/instances.ts';
import { canMakeNetworkNamespace, makeNetworkNamespace, type NetworkNamespace } from '../support/network-namespace.ts';
import { withClient, writeOrders } from '../support/odd-source.ts';
import { startRstmdb } from '../support/rstmdb-server.ts';
import { type ProgramEnd, runProgram } from '../support/run-program.ts';
import { toolPath } from '../support/tools.ts';
import { waitUntil } from '../support/wait-until.ts';
import { whenFree } from '../support/when-free.ts';

const README = fileURLToPath(new URL('../../README.md', import.meta.url));
const RSTOW = fileURLToPath(new URL('../../bin/rstow', import.meta.url));
const READY_MS = 90_000;
const QUICK_START_MS = 300_000;
const NOBODY = 65_534;
const INSTANCES = 4;
const QUESTION = 'type the name of the database, orders: ';

const isPossible = canMakeNetworkNamespace();

let folder: string;
let network: NetworkNamespace;
let started: ChildProcess[];

beforeEach(async () => {
  if (!isPossible) return;
  folder = await mkdtemp(join(tmpdir(), 'rstow-quick-start-'));
  await chmod(folder, 0o755);
  network = await makeNetworkNamespace();
  started = [];
});

afterEach(async () => {
  if (!isPossible) return;
  await network.end();
  await rm(folder, { recursive: true, force: true });
});

/** A user of the host, with a home of its own and none of our settings. */
type User = { uid: number; home: string };

/** The host's own /var/lib is out of sight: where nothing else is said, root keeps rstow's state there. */
const HIDE_VAR_LIB = 'mount --bind "$0" /var/lib && exec "$@"';

function as({ uid, home }: User, command: readonly string[]): string[] {
  const drop = uid === 0 ? [] : ['setpriv', `--reuid=${uid}`, `--regid=${uid}`, '--clear-groups'];
  const env = ['env', '-i', `PATH=${process.env['PATH'] ?? ''}`, `HOME=${home}`, `RSTOW_WORKFLOW_BUNDLE=${join(folder, 'bundle.js')}`];
  return [
    ...network.enter,
    'sh',
    '-c',
    HIDE_VAR_LIB,
    join(folder, 'var-lib'),
    ...drop,
    ...env,
    'https_proxy=http://127.0.0.1:9',
    ...command,
  ];
}

function startAs(user: User, command: readonly string[]): { child: ChildProcess; text: () => string } {
  const [program = '', ...args] = as(user, command);
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  started.push(child);
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  return { child, text: () => text };
}

function runAs(user: User, command: readonly string[]): Promise<ProgramEnd> {
  const [program = '', ...args] = as(user, command);
  return runProgram(program, args);
}

/** At a terminal, as README means it: whoever types there answers with the database's name when asked. */
async function typeAs(user: User, command: readonly string[]): Promise<{ exitCode: number | null; text: string }> {
  const [program = '', ...args] = as(user, ['script', '--quiet', '--return', '--command', command.join(' '), '/dev/null']);
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    const isAskedBefore = text.includes(QUESTION);
    text += chunk;
    if (!isAskedBefore && text.includes(QUESTION)) child.stdin.write('orders\n');
  });
  await once(child, 'close');
  return { exitCode: child.exitCode, text };
}

/** The README's lines that begin with `rstow`, without their comments, with folders of ours for its own. */
async function quickStart(): Promise<string[][]> {
  const places: Record<string, string> = {
    rstow: RSTOW,
    '/var/lib/rstmdb': join(folder, 'data'),
    '/backup/rstmdb': join(folder, 'backup', 'rstmdb'),
    '/var/tmp/orders': join(folder, 'elsewhere'),
    '/var/tmp/orders.tar.gz': join(folder, 'orders.tar.gz'),
  };
  const section = /## Quick start\n(.*?)\n## /s.exec(await readFile(README, 'utf8'))?.[1] ?? '';
  const lines = section.split('\n').filter((line) => line.startsWith('rstow '));
  return lines.map((line) =>
    line
      .replace(/#.*/, '')
      .trim()
      .split(/\s+/)
      .map((word) => places[word] ?? word),
  );
}

/** What the host has before rstow comes: data, a place for backups, and a home for the user. */
async function makeHost(user: User): Promise<void> {
  const dataDir = join(folder, 'data');
  const server = await startRstmdb({ dataDir });
  await writeOrders(server.address, INSTANCES);
  // The one that README brings back.
  await withClient(server.address, async (client) => {
    await createInstance(client, { id: 'o-17', machine: 'order', version: 1, ctxText: '{}' });
    await deleteInstance(client, 'o-17');
  });
  await server.stop();
  for (const path of [user.home, join(folder, 'backup'), join(folder, 'var-lib', 'rstow')]) await mkdir(path, { recursive: true });
  await cp(inject('workflowBundlePath'), join(folder, 'bundle.js'));
  for (const path of [dataDir, user.home, join(folder, 'backup')]) execFileSync('chown', ['-R', String(user.uid), path]);
  await chown(folder, user.uid, user.uid);
}

const SERVER_ENV = { RSTMDB_BIND: '127.0.0.1:7401', RSTMDB_COMPACT_ENABLED: 'false', RSTMDB_METRICS_ENABLED: 'false' };

function startServerByHand(user: User): void {
  const env = Object.entries({ ...SERVER_ENV, RSTMDB_DATA: join(folder, 'data') }).map(([name, value]) => `${name}=${value}`);
  startAs(user, ['env', ...env, toolPath('rstmdb')]);
}

async function isReady(up: { text: () => string }): Promise<void> {
  await waitUntil('rstow is up', () => /^up since/m.test(up.text()) || /^error: /m.test(up.text()), READY_MS);
  expect(up.text()).toMatch(/^up since/m);
}

/** Each line in its order; `recover` finds the database up, for its host isn't lost. */
async function everyLineWorks(user: User, rstowArgs: (line: string[]) => string[] = (line) => line): Promise<void> {
  const [up = [], printUnit = [], ...commands] = (await quickStart()).map(rstowArgs);
  expect((await runAs(user, printUnit)).stdout).toContain('ExecStart=');
  const running = startAs(user, up);
  await isReady(running);
  expect(running.text()).toMatch(/^protected +orders/m);
  expect(commands.map(([, verb]) => verb)).toEqual(expect.arrayContaining(['backup', 'restore', 'test-recovery', 'recover', 'info']));
  for (const command of commands) {
    const { exitCode, text } = await whenFree(() => typeAs(user, command));
    expect(exitCode, `${command.join(' ')}\n${text}`).toBe(0);
  }
  running.child.kill('SIGINT');
  if (running.child.exitCode === null) await once(running.child, 'exit');
  expect(running.child.exitCode).toBe(0);
}

test.skipIf(!isPossible)('works as root against another user’s server (needs root and `ip`)', { timeout: QUICK_START_MS }, async () => {
  const nobody = { uid: NOBODY, home: join(folder, 'home') };
  const root = { uid: 0, home: join(folder, 'root') };
  await makeHost(nobody);
  startServerByHand(nobody);
  await everyLineWorks(root);
});

/** As a config file of one's own says it, in the place where the commands look for it. */
async function startServerByRstow(user: User): Promise<string> {
  const stateDir = join(user.home, '.local', 'state', 'rstow');
  const configFile = join(stateDir, 'rstow.yaml');
  const env = { ...SERVER_ENV, RSTMDB_DATA: join(folder, 'data') };
  const service = { kind: 'process', command: [toolPath('rstmdb')], stateDir: join(folder, 'backup', 'service'), env };
  const database = { server: { address: '127.0.0.1:7401' }, dataDir: join(folder, 'data'), repositories: ['local'], service };
  const repositories = { local: { kind: 'folder', path: join(folder, 'backup', 'rstmdb') } };
  const config = JSON.stringify({ agent: { stateDir }, repositories, databases: { orders: database } });
  const start = `import { mkdir, writeFile } from 'node:fs/promises';
    import { openDatabase } from '${new URL('../../src/database/database.ts', import.meta.url).href}';
    import { loadConfig } from '${new URL('../../src/worker/load-config.ts', import.meta.url).href}';
    for (const path of ['${stateDir}', '${join(folder, 'backup', 'rstmdb')}']) await mkdir(path, { recursive: true });
    await writeFile('${configFile}', '${config}');
    const config = await loadConfig('${configFile}');
    await openDatabase({ config, configFile: '${configFile}' }, 'orders').server.service.start();`;
  expect(await runAs(user, [process.execPath, '--input-type=module', '-e', start])).toMatchObject({ exitCode: 0 });
  return configFile;
}

test.skipIf(!isPossible)(
  'works as the server’s own user against a server that rstow has started (needs root and `ip`)',
  { timeout: QUICK_START_MS },
  async () => {
    const nobody = { uid: NOBODY, home: join(folder, 'home') };
    await makeHost(nobody);
    const configFile = await startServerByRstow(nobody);
    await everyLineWorks(nobody, (line) =>
      line[1] === 'up' ? [RSTOW, 'up', '--config', configFile, ...line.filter((word) => word === '--print-unit')] : line,
    );
  },
);
