import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { isSameProcessAlive, processEntry, type ProcessIdentity } from '../../../../src/io/process/proc.ts';
import { spawnDetached, spawnTelling } from '../../../../src/io/process/spawn-detached.ts';

let folder: string;
let logFile: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rstow-detached-'));
  logFile = join(folder, 'log');
});

afterEach(() => rm(folder, { recursive: true, force: true }));

test('a detached process goes on, and goes on writing its log, when its parent is killed', async () => {
  const source = new URL('../../../../src/io/process/spawn-detached.ts', import.meta.url).href;
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
