import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { checkTarget } from '../../../../src/activities/restore/restore-target.ts';
import { type AgentConfig, agentConfigSchema } from '../../../../src/config/agent-config.ts';
import { scratchFolder } from '../../io/data-directory/scratch-folder.ts';

async function host(): Promise<{ folder: string; config: AgentConfig }> {
  const folder = await scratchFolder();
  for (const name of ['data/wal', 'repository']) await mkdir(join(folder, name), { recursive: true });
  const config = agentConfigSchema.parse({
    agent: { stateDir: join(folder, 'state'), restoreRoots: [folder, '/proc'] },
    repositories: { local: { kind: 'folder', path: join(folder, 'repository') } },
    databases: { orders: { server: { address: '127.0.0.1:7401' }, dataDir: join(folder, 'data'), repositories: ['local'] } },
  });
  return { folder, config };
}

it.each([
  ['data', 'invalid-input', 'data directory of database "orders"'],
  ['data/wal/inner', 'target-not-allowed', 'which is in use'],
  ['repository/copy', 'target-not-allowed', 'which is in use'],
])('refuses to restore into %s', async (target, code, says) => {
  const { folder, config } = await host();
  const refused = { code, message: expect.stringContaining(says) as string };
  await expect(checkTarget(join(folder, target), config)).rejects.toMatchObject(refused);
});

it('refuses a target that is no disk, in words, and not for want of space', async () => {
  const { config } = await host();
  await expect(checkTarget('/proc/x', config)).rejects.toMatchObject({
    code: 'invalid-input',
    message: 'field "to.dataDir": /proc/x does not lie on a disk',
  });
});

it('takes an empty folder and one that doesn’t exist, beside those places', async () => {
  const { folder, config } = await host();
  await mkdir(join(folder, 'data-copy'));
  await checkTarget(join(folder, 'data-copy'), config);
  await checkTarget(join(folder, 'not', 'yet'), config);
});
