import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { asked, isAnswer } from '../../../../src/cli/asked.ts';
import { isElsewhere } from '../../../../src/cli/commands/status.ts';
import { RstowError } from '../../../../src/core/errors/rstow-error.ts';
import { loadConfig } from '../../../../src/worker/load-config.ts';

test('passes over a config that is absent, and none that is wrong, which may be why no agent answers', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'rstow-status-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const file = join(folder, 'rstow.yaml');
  const isPassedOver = async (): Promise<boolean> => {
    const config = await asked(() => loadConfig(file));
    return !isAnswer(config) && isElsewhere(config.error);
  };
  expect(await isPassedOver()).toBe(true);
  await writeFile(file, 'databases: {}\n');
  expect(await isPassedOver()).toBe(false);
  expect(isElsewhere(new RstowError('unknown-database', 'the config lists no database "orders"'))).toBe(true);
});
