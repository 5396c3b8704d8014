/** Ends a database's server, and nothing else on its host, as the kernel or an operator would. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { DatabaseStack } from './database-stack.ts';
import { waitUntil } from './wait-until.ts';

export async function endServer(stack: DatabaseStack, signal: NodeJS.Signals): Promise<void> {
  const { pid } = JSON.parse(await readFile(join(stack.folder, 'service', 'service.json'), 'utf8')) as { pid: number };
  process.kill(pid, signal);
  await waitUntil('the server has ended', async () => !(await stack.service.isRunning()));
}
