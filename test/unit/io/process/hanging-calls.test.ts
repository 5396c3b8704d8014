import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const HANGING_CALLS = fileURLToPath(new URL('../../../../src/io/process/hanging-calls.ts', import.meta.url));

/** What a program that begins with that module hands on to those that it starts. */
function handedOn(env: Record<string, string>): Record<string, string> {
  const args = ['--disable-warning=ExperimentalWarning', '--import', HANGING_CALLS, '-p', 'JSON.stringify(process.env)'];
  const { stdout } = spawnSync(process.execPath, args, { encoding: 'utf8', env: { PATH: process.env['PATH'], ...env } });
  return JSON.parse(stdout) as Record<string, string>;
}

it('keeps to itself how bin/rstow has it use the allocator, and hands on what its caller has set', () => {
  const own = handedOn({ MALLOC_ARENA_MAX: '2', RSTOW_ARENAS: 'own' });
  expect(own['MALLOC_ARENA_MAX']).toBeUndefined();
  expect(own['RSTOW_ARENAS']).toBeUndefined();
  expect(handedOn({ MALLOC_ARENA_MAX: '4' })).toMatchObject({ MALLOC_ARENA_MAX: '4', UV_THREADPOOL_SIZE: '64' });
});
