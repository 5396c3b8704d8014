import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { cp, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, onTestFinished } from 'vitest';
import { type PlannedRestore, planRestore } from '../../../../src/activities/restore/plan-restore.ts';
import { nameSwap } from '../../../../src/activities/restore/swap-in.ts';
import type { RunPort } from '../../../../src/activities/run-port.ts';
import { processEntry } from '../../../../src/io/process/proc.ts';
import { DATABASE, type DatabaseStack, makeDatabaseStack } from '../../../support/database-stack.ts';
import { backUp, directDeps, restoreInPlace } from '../../../support/direct-backup.ts';
import { startLoadWriters } from '../../../support/load-writers.ts';
import { waitUntil } from '../../../support/wait-until.ts';

let stack: DatabaseStack;

beforeEach(async () => {
  stack = await makeDatabaseStack({ temporalAddress: 'nobody:1' });
  await write();
  await backUp(stack);
});

afterEach(() => stack.remove());

async function write(): Promise<void> {
  const load = await startLoadWriters({ address: stack.address, writers: 1, prefix: randomUUID() });
  await load.acknowledgedAtLeast(20);
  await load.stop();
}

/** Plans as one run does it: before an approval, and again under the lock. */
function planner(): () => Promise<PlannedRestore> {
  const run = { runId: randomUUID() } as RunPort;
  const input = { database: DATABASE, backup: 'latest' };
  return () => planRestore(directDeps(stack))(input, run);
}

it('keeps its plan though clients have written and a newer backup was taken meanwhile', async () => {
  const plan = planner();
  const first = await plan();
  await write();
  await backUp(stack);
  expect(await plan()).toEqual(first);
});

it('refuses its plan where another restore has replaced the data meanwhile, and makes no new one', async () => {
  const plan = planner();
  const { label } = await plan();
  await restoreInPlace(stack, label);
  const refused = {
    code: 'data-directory-replaced',
    message: expect.stringMatching(/replace timeline 0001 .* holds timeline 0002 /) as string,
  };
  await expect(plan()).rejects.toMatchObject(refused);
  await expect(plan()).rejects.toMatchObject(refused);
});

it('refuses its plan where somebody has put an older copy there, or data where there were none', async () => {
  const older = join(stack.folder, 'older');
  await cp(stack.walDir, older, { recursive: true });
  await write();
  const ofMore = planner();
  await ofMore();
  await stack.service.stop();
  await rm(stack.walDir, { recursive: true });
  const ofNothing = planner();
  await ofNothing();
  await rename(older, stack.walDir);
  await expect(ofMore()).rejects.toMatchObject({ code: 'data-directory-replaced' });
  await expect(ofNothing()).rejects.toThrow('planned to replace nothing, but ');
});

it('keeps its plan where the data have vanished meanwhile', async () => {
  const plan = planner();
  const first = await plan();
  await stack.service.stop();
  await rm(stack.dataDir, { recursive: true });
  expect(await plan()).toEqual(first);
});

it('refuses its plan where the agent works with another directory by now', async () => {
  const plan = planner();
  await plan();
  stack.config.databases[DATABASE]!.dataDir = '/elsewhere';
  await expect(plan()).rejects.toMatchObject({ code: 'data-directory-replaced' });
});

it('plans a dry run without any service, and says why the restore itself would be refused', async () => {
  stack.config.databases[DATABASE]!.service = { kind: 'none' };
  await expect(planner()()).rejects.toMatchObject({ code: 'service-unmanaged' });
  const run = { runId: randomUUID() } as RunPort;
  const plan = await planRestore(directDeps(stack))({ database: DATABASE, backup: 'latest', dryRun: true }, run);
  expect(plan.warnings).toEqual([
    { code: 'service-unmanaged', message: expect.stringMatching(/^the restore would be refused: no service/) as string },
  ]);
});

it('refuses, while the server runs, what another program would go on writing in, and names that program', async () => {
  const editor = spawn('sh', ['-c', 'exec 9>>"$0"; echo open; exec sleep 60', join(stack.walDir, 'notes')]);
  onTestFinished(() => void editor.kill('SIGKILL'));
  await once(editor.stdout, 'data');
  const message = expect.stringMatching(
    new RegExp(`several programs have ${stack.walDir} open for writing: .*${editor.pid} \\(sleep\\)`),
  ) as string;
  await waitUntil('the program has become another', async () => (await processEntry(editor.pid!))?.command === 'sleep');
  await expect(planner()()).rejects.toMatchObject({ code: 'service-stop-failed', message });
  const run = { runId: randomUUID(), checkOpen: () => Promise.resolve() } as RunPort;
  await expect(nameSwap(directDeps(stack))({ database: DATABASE }, run)).rejects.toMatchObject({ code: 'service-stop-failed', message });
  await write();
});

it('makes no plan with a token that can’t be read: after the swap nobody could ask the server', async () => {
  const tokenFile = join(stack.folder, 'token');
  await writeFile(tokenFile, '', { mode: 0o600 });
  stack.config.databases[DATABASE]!.server.tokenFile = tokenFile;
  await expect(planner()()).rejects.toMatchObject({ code: 'invalid-config' });
});
