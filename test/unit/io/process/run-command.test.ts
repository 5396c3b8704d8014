import { setTimeout as sleep } from 'node:timers/promises';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { isSameProcessAlive, processEntry, processesWithEnvironment, type ProcessIdentity } from '../../../../src/io/process/proc.ts';
import { runCommand, spawnDetached, spawnTelling } from '../../../../src/io/process/run-command.ts';

const options = { timeoutMs: 10_000 };
const shell = (script: string) => ['sh', '-c', script];

test('gives what a command said and its exit code', async () => {
  expect(await runCommand(shell('echo out; echo err >&2; exit 7'), options)).toEqual({ exitCode: 7, stdout: 'out\n', stderr: 'err\n' });
});

test('gives 128 + the signal as a shell does', async () => {
  expect(await runCommand(shell('kill -9 $$'), options)).toMatchObject({ exitCode: 137 });
});

test('hands its parameters on as they are, with no shell between', async () => {
  expect((await runCommand(['printf', '%s|', '$(id)', '* ;', ''], options)).stdout).toBe('$(id)|* ;||');
});

test('hands input, environment and folder on, and an empty input where there is none', async () => {
  const result = await runCommand(shell('cat; echo "$COLOUR"; pwd'), { ...options, input: 'in ', env: { COLOUR: 'red' }, cwd: '/' });
  expect(result.stdout).toBe('in red\n/\n');
  expect((await runCommand(['cat'], options)).stdout).toBe('');
});

test('keeps the last 64 KiB of a long output', async () => {
  const { stdout } = await runCommand(shell('head -c 1000000 /dev/zero | tr "\\0" a; printf end'), options);
  expect(stdout).toBe(`${'a'.repeat(65_533)}end`);
});

test('says that a program does not exist', async () => {
  await expect(runCommand(['/nonexistent/program'], options)).rejects.toMatchObject({
    code: 'failed',
    message: '/nonexistent/program could not be run: ENOENT',
  });
});

test('does not wait for what a command leaves in the background, and lets it live', async () => {
  const mark = crypto.randomUUID();
  const startedMs = performance.now();
  const { exitCode, stdout } = await runCommand(shell('sleep 60 & echo started'), { ...options, env: { RSTOW_TEST: mark } });
  expect({ exitCode, stdout }).toEqual({ exitCode: 0, stdout: 'started\n' });
  expect(performance.now() - startedMs).toBeLessThan(5_000);
  const left = await processesWithEnvironment('RSTOW_TEST', mark);
  expect(left).toHaveLength(1);
  for (const { pid } of left) process.kill(pid, 'SIGKILL');
});

test('ends the whole group of a command that takes too long, though it ignores SIGTERM', async () => {
  const mark = crypto.randomUUID();
  const script = `trap '' TERM; (trap '' TERM; while :; do sleep 0.1; done) & while :; do sleep 0.1; done`;
  const run = runCommand(shell(script), { timeoutMs: 200, env: { RSTOW_TEST: mark } });
  await expect(run).rejects.toMatchObject({ code: 'failed', details: { timeoutMs: 200 } });
  await sleep(100);
  expect(await processesWithEnvironment('RSTOW_TEST', mark)).toEqual([]);
});

test('ends with the reason of an abort, before and during the command', async () => {
  const reason = new Error('cancelled by the test');
  await expect(runCommand(['true'], { ...options, signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  const mark = crypto.randomUUID();
  const controller = new AbortController();
  setTimeout(() => controller.abort(reason), 100);
  await expect(runCommand(['sleep', '60'], { ...options, signal: controller.signal, env: { RSTOW_TEST: mark } })).rejects.toBe(reason);
  expect(await processesWithEnvironment('RSTOW_TEST', mark)).toEqual([]);
});

test('keeps the environment out of its errors', async () => {
  const error: unknown = await runCommand(['/nonexistent/program'], { ...options, env: { TOKEN: 'sesame-73519' } }).catch(
    (reason: unknown) => reason,
  );
  expect(JSON.stringify(error, Object.getOwnPropertyNames(error))).not.toContain('sesame-73519');
});

let folder: string;
let logFile: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rstow-detached-'));
  logFile = join(folder, 'log');
});

afterEach(() => rm(folder, { recursive: true, force: true }));

test('a detached process goes on, and goes on writing its log, when its parent is killed', async () => {
  const source = new URL('../../../../src/io/process/run-command.ts', import.meta.url).href;
  const script = 'while :; do echo tick; sleep 0.05; done';
  const parent = spawn(process.execPath, ['--input-type=module'], { stdio: ['pipe', 'pipe', 'ignore'] });
  parent.stdin.end(`import { spawnDetached, spawnTelling } from '${source}';
    console.log(JSON.stringify(await spawnDetached({ command: ['sh', '-c', ${JSON.stringify(script)}], env: {}, logFile: '${logFile}' })));
    setInterval(() => {}, 1000);`);
  const [line] = (await once(parent.stdout, 'data')) as [Buffer];
  const identity = JSON.parse(line.toString()) as ProcessIdentity;
  try {
    parent.kill('SIGKILL');
    await once(parent, 'exit');
    const sizeBytes = (await stat(logFile)).size;
    await vi.waitFor(async () => expect((await stat(logFile)).size).toBeGreaterThan(sizeBytes + 10), { timeout: 10_000 });
    expect(await isSameProcessAlive(identity)).toBe(true);
    expect(await processEntry(identity.pid)).toMatchObject({ processGroup: identity.pid });
  } finally {
    process.kill(-identity.pid, 'SIGKILL');
  }
});

test('the log is appended to and private', async () => {
  for (const word of ['one', 'two']) {
    const identity = await spawnDetached({ command: ['sh', '-c', 'echo "$WORD"'], env: { WORD: word }, logFile });
    await vi.waitFor(async () => expect(await isSameProcessAlive(identity)).toBe(false), { timeout: 10_000 });
  }
  expect(await readFile(logFile, 'utf8')).toBe('one\ntwo\n');
  expect((await stat(logFile)).mode & 0o777).toBe(0o600);
});

test('a program that does not exist, or may not be run, is named', async () => {
  await writeFile(join(folder, 'plain'), '');
  await expect(spawnDetached({ command: ['/nonexistent/program'], env: {}, logFile })).rejects.toMatchObject({
    code: 'failed',
    message: '/nonexistent/program could not be run: ENOENT',
  });
  await expect(spawnDetached({ command: [join(folder, 'plain')], env: {}, logFile })).rejects.toThrow('could not be run: EACCES');
});

test('a process that has one line to say is heard, and goes on', async () => {
  const command = ['sh', '-c', 'echo $$ >&3; exec 3>&-; exec sleep 60'];
  const pid = Number(await spawnTelling({ command, env: {}, logFile }, 10_000));
  expect(await processEntry(pid)).toMatchObject({ processGroup: pid });
  process.kill(pid, 'SIGKILL');
});

test.each([
  ['ends without a line', ['true'], 10_000],
  ['says nothing in time', ['sleep', '1'], 100],
])('a process that %s gives none', async (_what, command, timeoutMs) => {
  expect(await spawnTelling({ command, env: {}, logFile }, timeoutMs)).toBe(undefined);
});

/** Root without the right to signal others, as a user's own process that `sudo` has made another's. */
const isRoot = process.getuid?.() === 0;
const MODULE = fileURLToPath(new URL('../../../../src/io/process/run-command.ts', import.meta.url));

test.skipIf(!isRoot)('fails, and ends nothing else, if a command that takes too long has become another user’s (needs root)', async () => {
  const mark = crypto.randomUUID();
  const other = ['setpriv', '--reuid=65534', '--clear-groups', 'sleep', '60'];
  const script = `const { runCommand } = await import(${JSON.stringify(MODULE)});
    await runCommand(${JSON.stringify(other)}, { timeoutMs: 500 }).catch(({ code, message }) => console.log(code, message));
    process.exit(0);`;
  const command = ['setpriv', '--bounding-set=-kill', process.execPath, '--input-type=module', '-e', script];
  const { exitCode, stdout } = await runCommand(command, { timeoutMs: 60_000, env: { RSTOW_TEST: mark } });
  expect(stdout).toMatch(/^failed setpriv took longer than 500 ms and can’t be ended/);
  expect(exitCode).toBe(0);
  for (const { pid } of await processesWithEnvironment('RSTOW_TEST', mark)) process.kill(pid, 'SIGKILL');
});
