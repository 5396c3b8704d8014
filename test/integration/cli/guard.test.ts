import { expect, it } from 'vitest';
import { openDatabase } from '../../../src/database/database.ts';
import { createGuard } from '../../../src/database/guard-look.ts';
import { compactNow, writeCounters } from '../../support/compactable-log.ts';
import { DATABASE, type DatabaseStack } from '../../support/database-stack.ts';
import { oddSource, sourceDigest } from '../../support/odd-source.ts';
import { rstow, summaryOf } from '../../support/rstow-command.ts';
import type { ProgramEnd } from '../../support/run-program.ts';

async function guarded(): Promise<{ stack: DatabaseStack; guard: (...args: string[]) => Promise<ProgramEnd> }> {
  const stack = await oddSource({ segmentSizeMb: 0 });
  await writeCounters(stack.address, { count: 8 });
  await createGuard(openDatabase(stack, DATABASE)).look();
  return { stack, guard: (...args) => rstow(['guard', ...args, '--config', stack.configFile]) };
}

it('rstow guard --before-start links back, is quiet if nothing is to be done, and refuses beside a running server', async () => {
  const { stack, guard } = await guarded();
  const before = await sourceDigest(stack);
  await compactNow(stack);
  expect(await guard('--before-start', DATABASE)).toMatchObject({
    exitCode: 11,
    stdout: '',
    stderr: expect.stringContaining('busy') as string,
  });
  await stack.service.stop();
  const first = await guard('--before-start', DATABASE);
  expect(first).toMatchObject({ exitCode: 0, stderr: '' });
  expect(first.stdout).toMatch(/^orders: linked back: segments 1 to [0-9]+, which compaction had deleted/);
  expect(await guard('--before-start')).toMatchObject({ exitCode: 0, stdout: '', stderr: '' });
  await stack.startServer();
  expect(await sourceDigest(stack)).toBe(before);
});

it('rstow guard shows what is pinned, and what the next start lacks', async () => {
  const { stack, guard } = await guarded();
  expect((await guard()).stdout).toMatch(/^orders +on: timeline 0001, [0-9]+ segments pinned\n$/);
  await compactNow(stack);
  expect((await guard()).stdout).toMatch(/^missing +segments 1 to [0-9]+: the next start needs them/m);
  expect(summaryOf(await guard('--json'))).toMatchObject({ guards: [{ database: DATABASE, guard: { kind: 'on', lost: [] } }] });
  expect(await guard('ordrs')).toMatchObject({ exitCode: 10 });
});
