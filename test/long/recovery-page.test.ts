/** docs/recovery.md is followed command by command, on a host whose systemctl is a script of ours. */
import { chmod, mkdir, mkdtemp, open, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { connectRstmdb } from '../../src/io/rstmdb/connect-rstmdb.ts';
import { DATABASE, type DatabaseStack, makeDatabaseStack } from '../support/database-stack.ts';
import { startLoadWriters } from '../support/load-writers.ts';
import { type ProgramEnd, runProgram } from '../support/run-program.ts';
import { makeNamespace } from '../support/temporal-namespace.ts';
import { toolPath } from '../support/tools.ts';
import { waitUntil } from '../support/wait-until.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const FIRST_SEGMENT = '0000000000000001.wal';

let folder: string;
let stack: DatabaseStack;
let tools: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rstow-page-'));
  tools = join(folder, 'bin');
  await Promise.all([tools, join(folder, 'tmp')].map((path) => mkdir(path)));
  const namespace = await makeNamespace(inject('temporalAddress'));
  const systemctl = (verb: string): string[] => [join(tools, 'systemctl'), verb, 'rstmdb'];
  const service = { kind: 'commands', start: systemctl('start'), stop: systemctl('stop'), status: systemctl('status') };
  const rehearsal = { command: [toolPath('rstmdb')] };
  stack = await makeDatabaseStack({ temporalAddress: inject('temporalAddress'), namespace, database: { rehearsal } });
  await stack.service.stop();
  await writeFile(stack.configFile, configWith(service));
  await writeTools(namespace);
  await sh('systemctl start rstmdb; systemctl start rstow');
  await write('first', 300);
  expect(await rstow('backup')).toMatchObject({ exitCode: 0 });
});

afterAll(async () => {
  await sh('systemctl stop rstow; systemctl stop rstmdb');
  await stack.remove();
  await rm(folder, { recursive: true, force: true });
});

test('an older state: the plan is shown, and the data are put into another directory', async () => {
  await follow('An older state is wanted');
  expect((await readdir(join(folder, 'tmp/orders/wal'))).includes(FIRST_SEGMENT)).toBe(true);
  await rm(join(folder, 'tmp/orders'), { recursive: true });
});

test('without Temporal: the labels are there to see, and the database is restored', async () => {
  await follow('Without Temporal', { TEMPORAL_ADDRESS: '127.0.0.1:1' });
  await untilAnswering();
  expect(await rstow('backup')).toMatchObject({ exitCode: 0 });
});

test('a damaged segment: the whole records go on, and the next backup is proved', async () => {
  await write('second', 200);
  await damageSegment(FIRST_SEGMENT);
  const refused = await rstow('backup');
  expect(refused.exitCode).toBe(13);
  expect(refused.stderr).toMatch(/error: source-damaged: 0000000000000001\.wal .*“A damaged segment” in docs\/recovery\.md/s);
  await follow('A damaged segment');
});

test('the server does not start: the page names the damaged segment', async () => {
  // What is stored must stay as it was: the damage lies in what was written since.
  await write('third', 200);
  await sh('rm -rf "$TMP_PLACE"/*; systemctl stop rstmdb');
  const segment = await damageSegment(FIRST_SEGMENT);
  const [, looked] = await follow('The server does not start');
  expect(looked?.stdout).toContain(`damaged: ${segment}`);
  await sh('rm -rf "$TMP_PLACE"/*');
  await follow('A damaged segment', {}, 3);
  await untilAnswering();
});

test('a lost state directory: the host adopts its database', async () => {
  await sh('systemctl stop rstow');
  const installation = join(stack.config.agent.stateDir, 'installation-id');
  await rm(installation);
  await follow('Adopting a database');
});

test('a new repository takes the whole log', async () => {
  await follow('A new repository');
  const listed = await rstow('list', '--json');
  const { backups } = JSON.parse(listed.stdout.trim().split('\n').at(-1)!) as { backups: { restorable: string }[] };
  expect(backups.map(({ restorable }) => restorable)).toEqual(['from-log']);
});

test('a copy of a repository that is in use is sound', async () => {
  const blocks = blocksOf(await readFile(join(root, 'docs/repository-format.md'), 'utf8'), 'Copying a repository');
  for (const block of blocks) expect(await sh(block)).toMatchObject({ exitCode: 0 });
  const copy = join(folder, 'copy');
  await mkdir(copy);
  await sh(`tar --extract --file "$TMP_PLACE/rstmdb.tar" --directory ${copy}`);
  expect(await readdir(copy)).toContain('rstow-repository.json');
});

/** Runs the case's commands, or its first `count` blocks, each of which has to end well. */
async function follow(heading: string, env: Record<string, string> = {}, count = Infinity): Promise<ProgramEnd[]> {
  const page = await readFile(join(root, 'docs/recovery.md'), 'utf8');
  const ends: ProgramEnd[] = [];
  for (const block of blocksOf(page, heading).slice(0, count)) {
    const end = await sh(block, env);
    expect(end, `${block}\n${end.stdout}${end.stderr}`).toMatchObject({ exitCode: 0 });
    ends.push(end);
  }
  expect(ends.length).toBeGreaterThan(0);
  return ends;
}

/** What stands in the fences marked `sh` below that heading, in the steps' order. */
function blocksOf(page: string, heading: string): string[] {
  const [, section = ''] = `\n${page}\n## `.split(`\n## ${heading}\n`);
  const blocks = (section.split(/^## /m)[0] ?? '').matchAll(/^( *)```sh\n([^]*?)^ *```$/gm);
  return [...blocks].map(([, indent = '', text = '']) => text.replaceAll(new RegExp(`^${indent}`, 'gm'), ''));
}

/** The page's places are those of this host. */
function sh(block: string, env: Record<string, string> = {}): Promise<ProgramEnd> {
  const script = block
    .replaceAll('/var/lib/rstmdb', stack.dataDir)
    .replaceAll('/backup/rstmdb', stack.repositoryDir)
    .replaceAll('/var/lib/rstow', stack.config.agent.stateDir)
    .replaceAll('/var/tmp', join(folder, 'tmp'));
  return runProgram('sh', ['-eu', '-c', script], { env: { ...places(), ...env } });
}

function places(): Record<string, string> {
  const { namespace = 'default' } = stack.config.temporal;
  return {
    PATH: `${tools}:${process.env['PATH'] ?? ''}`,
    RSTOW_CONFIG: stack.configFile,
    TEMPORAL_ADDRESS: inject('temporalAddress'),
    TEMPORAL_NAMESPACE: namespace,
    TMP_PLACE: join(folder, 'tmp'),
  };
}

function rstow(command: string, ...options: string[]): Promise<ProgramEnd> {
  return sh(['rstow', command, DATABASE, ...options].join(' '));
}

function configWith(service: object): string {
  const { databases, ...rest } = stack.plain;
  return JSON.stringify({ ...rest, databases: { [DATABASE]: { ...databases[DATABASE], service } } });
}

/** A systemctl for two units, and an rstow on PATH. */
async function writeTools(namespace: string): Promise<void> {
  const node = `${process.execPath} --disable-warning=ExperimentalWarning`;
  const settings = stack.plain.databases[DATABASE]!['service'] as { env: Record<string, string> };
  const serverEnv = Object.entries(settings.env)
    .map(([name, value]) => `${name}=${value}`)
    .join(' ');
  const agentEnv = `RSTOW_WORKFLOW_BUNDLE=${inject('workflowBundlePath')} TEMPORAL_NAMESPACE=${namespace}`;
  await writeTool('rstow', `exec ${node} ${root}/src/cli/main.ts "$@"`);
  await writeTool(
    'systemctl',
    `pid=$(cat ${folder}/$2.pid 2>/dev/null || echo 0); log=${folder}/$2.log
running() { [ "$pid" -gt 0 ] && kill -0 "$pid" 2>/dev/null && ! grep -q "^State:.Z" /proc/$pid/status; }
case $1-$2 in
  status-*) running ;;
  stop-*) running || exit 0; kill -INT "$pid"; while running; do sleep 0.1; done ;;
  start-rstmdb) running && exit 0; env ${serverEnv} setsid ${toolPath('rstmdb')} >>"$log" 2>&1 & echo $! >${folder}/$2.pid ;;
  start-rstow)
    running && exit 0; : >"$log"
    env ${agentEnv} setsid ${node} ${root}/src/worker/agent-main.ts --config ${stack.configFile} >>"$log" 2>&1 & echo $! >${folder}/$2.pid
    for _ in $(seq 600); do grep -q ' ready$' "$log" && exit 0; sleep 0.1; done; exit 1 ;;
esac`,
  );
}

async function writeTool(name: string, text: string): Promise<void> {
  await writeFile(join(tools, name), `#!/bin/sh\n${text}\n`);
  await chmod(join(tools, name), 0o755);
}

async function write(prefix: string, count: number): Promise<void> {
  await untilAnswering();
  const load = await startLoadWriters({ address: stack.address, writers: 4, prefix });
  await load.acknowledgedAtLeast(count);
  await load.stop();
}

async function untilAnswering(): Promise<void> {
  await waitUntil('the server answers', async () => {
    const client = await connectRstmdb({ address: stack.address, connectTimeoutMs: 1000, requestTimeoutMs: 5000 }).catch(() => undefined);
    await client?.close();
    return client !== undefined;
  });
}

/** Flips a byte of the last kilobyte, which no backup holds yet. Gives the file. */
async function damageSegment(name: string): Promise<string> {
  const file = join(stack.walDir, name);
  const { size } = await stat(file);
  await using handle = await open(file, 'r+');
  const byte = Buffer.alloc(1);
  await handle.read(byte, 0, 1, size - 1000);
  byte[0] = (byte[0] ?? 0) ^ 0x10;
  await handle.write(byte, 0, 1, size - 1000);
  return file;
}
