import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { processesWithEnvironment } from '../../../../src/io/process/proc.ts';
import { runCommand } from '../../../../src/io/process/run-command.ts';

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
