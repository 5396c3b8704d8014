import { expect, test } from 'vitest';
import { databaseSettings } from '../../../src/config/agent-config.ts';
import { makeScene } from '../activities/scene.ts';

test('knows no database by a name that every object has', async () => {
  const { deps } = await makeScene();
  expect(() => databaseSettings(deps.config, 'constructor')).toThrow(expect.objectContaining({ code: 'unknown-database' }) as Error);
  await expect(deps.openStore('constructor')).rejects.toMatchObject({ code: 'unknown-database' });
});
