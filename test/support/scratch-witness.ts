/** Whether recovery tests have left anything of their scratch places. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import { processesWithOpenFilesUnder } from '../../src/io/process/open-files.ts';
import { livingProcesses, unlessGone } from '../../src/io/process/proc.ts';
import { portState } from '../../src/io/service/ports.ts';

/** No folder, no process that has one or was started on one; and, where the port is known, nobody on it. */
export async function expectNoScratchLeft(stateDir: string, { agentPid, port }: { agentPid: number; port?: number }): Promise<void> {
  const scratch = join(stateDir, 'scratch');
  expect((await unlessGone(readdir(scratch))) ?? []).toEqual([]);
  expect(await processesWithOpenFilesUnder(scratch, { ignorePid: agentPid })).toEqual([]);
  expect(await livingProcesses(async (pid) => (await environmentOf(pid)).includes(`=${scratch}/`))).toEqual([]);
  if (port !== undefined) expect(await portState({ host: '127.0.0.1', port }, 500)).toEqual({ kind: 'closed' });
}

async function environmentOf(pid: number): Promise<string> {
  return (await unlessGone(readFile(`/proc/${pid}/environ`, 'utf8'))) ?? '';
}
