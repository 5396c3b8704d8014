/** The README's first steps as they stand there, on a machine whose ports are free: a network of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, inject, test } from 'vitest';
import { listeningSockets } from '../../support/listening-sockets.ts';
import { canMakeNetworkNamespace, makeNetworkNamespace, type NetworkNamespace } from '../../support/network-namespace.ts';
import { writeOrders } from '../../support/odd-source.ts';
import { startRstmdb } from '../../support/rstmdb-server.ts';
import { type ProgramEnd, runProgram } from '../../support/run-program.ts';
import { toolPath } from '../../support/tools.ts';
import { waitUntil } from '../../support/wait-until.ts';
import { whenFree } from '../../support/when-free.ts';

const README = fileURLToPath(new URL('../../../README.md', import.meta.url));
const RSTOW = fileURLToPath(new URL('../../../bin/rstow', import.meta.url));
/** So long a first backup may take, on a machine under load too. */
const FIRST_BACKUP_MS = 60_000;

const isPossible = canMakeNetworkNamespace();

let folder: string;
let network: NetworkNamespace;

beforeEach(async () => {
  if (!isPossible) return;
  folder = await mkdtemp(join(tmpdir(), 'rstow-first-step-'));
  network = await makeNetworkNamespace();
});

afterEach(async () => {
  if (!isPossible) return;
  await network.end();
  await rm(folder, { recursive: true, force: true });
});

function startInside(command: readonly string[], env: Record<string, string>): { child: ChildProcess; text: () => string } {
  const [ip = '', ...args] = [...network.enter, ...command];
  const child = spawn(ip, args, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
  return { child, text: () => text };
}

function rstowInside(...args: string[]): Promise<ProgramEnd> {
  const [ip = '', ...enter] = network.enter;
  return runProgram(ip, [...enter, RSTOW, ...args]);
}

/** A server with data, where the README says that one runs already. */
async function startServerInside(dataDir: string): Promise<void> {
  const outside = await startRstmdb({ dataDir });
  await writeOrders(outside.address, 4);
  await outside.stop();
  const env = { RSTMDB_DATA: dataDir, RSTMDB_COMPACT_ENABLED: 'false', RSTMDB_METRICS_ENABLED: 'false' };
  startInside([toolPath('rstmdb')], { ...env, RSTMDB_BIND: '127.0.0.1:7401' });
}

/** The README's command line with folders of ours for its own. */
async function firstStep(): Promise<string[]> {
  const line = (await readFile(README, 'utf8')).split('\n').find((text) => text.startsWith('rstow up --data-dir'));
  const places: Record<string, string> = { '/var/lib/rstmdb': join(folder, 'data'), '/backup/rstmdb': join(folder, 'backups') };
  const [, ...args] = (line ?? '').split(' ').map((word) => places[word] ?? word);
  expect(args).toEqual(expect.arrayContaining(Object.values(places)));
  return [...args, '--state-dir', join(folder, 'state')];
}

test.skipIf(!isPossible)(
  'protects a database that flags name in under a minute, listens on the loopback only, and the commands find it (needs root and `ip`)',
  { timeout: 3 * FIRST_BACKUP_MS },
  async () => {
    await startServerInside(join(folder, 'data'));
    const up = startInside([RSTOW, ...(await firstStep())], { RSTOW_WORKFLOW_BUNDLE: inject('workflowBundlePath') });
    await waitUntil('everything is protected', () => /^up since/m.test(up.text()) || /^error: /m.test(up.text()), FIRST_BACKUP_MS);
    expect(up.text()).toMatch(/^up since/m);
    expect(up.text()).toMatch(/^last backup +\S+-hot, 4 instances, verified: replay 20\d\d-/m);

    const sockets = await listeningSockets(up.child.pid);
    expect(sockets.filter(({ host }) => host !== '127.0.0.1')).toEqual([]);
    expect(sockets.map(({ port }) => port)).toEqual(expect.arrayContaining([7233, 8233, 7401]));

    expect(await whenFree(() => rstowInside('backup', 'orders'))).toMatchObject({ exitCode: 0 });
    const listed = await rstowInside('list', 'orders');
    expect(listed.exitCode).toBe(0);
    expect(listed.stdout.match(/^\S+-hot/gm)?.length).toBeGreaterThanOrEqual(2);

    up.child.kill('SIGINT');
    if (up.child.exitCode === null) await once(up.child, 'exit');
    expect(up.child.exitCode).toBe(0);
    expect((await listeningSockets((await network.pids())[0])).map(({ port }) => port)).toEqual([7401]);
  },
);
