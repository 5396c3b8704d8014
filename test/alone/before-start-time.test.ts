/** How long a server waits for `rstow guard --before-start`, on a machine that does nothing else. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { createGuard } from '../../src/database/guard-look.ts';
import { openDatabase } from '../../src/database/database.ts';
import { writeCounters } from '../support/compactable-log.ts';
import { DATABASE } from '../support/database-stack.ts';
import { oddSource } from '../support/odd-source.ts';
import { runProgram } from '../support/run-program.ts';

const LAUNCHER = fileURLToPath(new URL('../../bin/rstow', import.meta.url));

/** 300 ms on a quiet machine; twice that leaves room for a slow one. */
const START_MS = 600;

it('rstow guard --before-start ends soon: a server waits for it', async () => {
  const stack = await oddSource({ segmentSizeMb: 0 });
  await writeCounters(stack.address, { count: 8 });
  await createGuard(openDatabase(stack, DATABASE)).look();
  await stack.service.stop();
  const ends: number[] = [];
  for (let run = 0; run < 5; run += 1) {
    const { exitCode, durationMs } = await runProgram('sh', [LAUNCHER, 'guard', '--before-start', '--config', stack.configFile], {
      env: { NODE_COMPILE_CACHE: join(stack.folder, 'compiled') },
    });
    expect(exitCode).toBe(0);
    ends.push(durationMs);
  }
  expect(Math.min(...ends)).toBeLessThan(START_MS);
});
