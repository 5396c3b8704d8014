import { execFile } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';

const projectFolder = fileURLToPath(new URL('../..', import.meta.url));
const cleanFiles = {
  'src/core/pure.ts': 'export const one = 1;\n',
  'src/activities/verb.ts':
    "import { one } from '../core/pure.ts';\nexport type Verb = { act: () => number };\nexport const act = () => one;\n",
  'src/workflows/recipe.ts': "import type { Verb } from '../activities/verb.ts';\nexport const recipe = (verb: Verb) => verb.act();\n",
  'src/workflows/temporal/engine.ts': "export { sleep } from '@temporalio/workflow';\n",
  'src/workflows/index.ts': "export { recipe } from './recipe.ts';\nexport { sleep } from './temporal/engine.ts';\n",
  'src/local/run.ts': "export { recipe } from '../workflows/recipe.ts';\n",
  'src/cli/main.ts': "export const start = async () => import('../worker/agent.ts');\n",
  'src/worker/agent.ts': "export { act } from '../activities/verb.ts';\n",
  'src/io/process/run.ts': "export { execa } from 'execa';\n",
  'src/io/volume/snapshot.ts': "export { execa } from '../process/run.ts';\n",
};
let folder: string;

async function plant(files: Record<string, string>): Promise<void> {
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), text);
  }
}

/** The names of the rules that the real configuration finds broken in the planted tree. */
async function brokenRules(): Promise<string[]> {
  const output = await new Promise<string>((resolve) => {
    const program = join(projectFolder, 'node_modules/.bin/depcruise');
    execFile(program, ['src', '--output-type', 'json'], { cwd: folder, maxBuffer: 64 << 20 }, (_error, stdout) => resolve(stdout));
  });
  const { summary } = JSON.parse(output) as { summary: { violations: { rule: { name: string } }[] } };
  return [...new Set(summary.violations.map((violation) => violation.rule.name))].sort();
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rstow-walls-'));
  for (const file of ['.dependency-cruiser.cjs', 'tsconfig.json', 'package.json']) {
    await copyFile(join(projectFolder, file), join(folder, file));
  }
  await symlink(join(projectFolder, 'node_modules'), join(folder, 'node_modules'));
  await plant(cleanFiles);
});

afterEach(() => rm(folder, { recursive: true, force: true }));

test('lets a tree through that keeps to its rooms', async () => {
  expect(await brokenRules()).toEqual([]);
});

test('refuses an activity that a workflow imports by value', async () => {
  await plant({ 'src/workflows/planted.ts': "import { act } from '../activities/verb.ts';\nexport const planted = () => act();\n" });
  expect(await brokenRules()).toEqual(['workflows-activities-by-type']);
});

test('refuses Temporal and its engine in a recipe, also by type, and in what runs without Temporal', async () => {
  await plant({
    'src/workflows/planted.ts': "import type { WorkflowInfo } from '@temporalio/workflow';\nexport type Planted = WorkflowInfo;\n",
  });
  expect(await brokenRules()).toEqual(['recipes-without-temporal']);
  await plant({ 'src/workflows/planted.ts': "export { sleep } from './temporal/engine.ts';\n" });
  expect(await brokenRules()).toEqual(['recipes-without-temporal']);
  await rm(join(folder, 'src/workflows/planted.ts'));
  await plant({ 'src/local/planted.ts': "export { sleep } from '../workflows/index.ts';\n" });
  expect(await brokenRules()).toEqual(['local-recipes-only']);
});

test('refuses npm and Node in core, also by type', async () => {
  await plant({
    'src/core/npm.ts': "import { z } from 'zod';\nexport const planted = z.string();\n",
    'src/core/node.ts': "import type { Stats } from 'node:fs';\nexport type Planted = Stats;\n",
  });
  expect(await brokenRules()).toEqual(['core-node', 'core-npm']);
});

test('refuses Temporal, another room and a second door to other programs in io', async () => {
  await plant({
    'src/io/alert/temporal.ts': "export { Client } from '@temporalio/client';\n",
    'src/io/alert/neighbour.ts': "export { execa } from '../volume/snapshot.ts';\n",
    'src/io/alert/door.ts': "export { execa } from 'execa';\n",
  });
  expect(await brokenRules()).toEqual(['io-rooms', 'io-temporal', 'programs-one-door']);
});

test('refuses a verb that starts programs by itself, or that knows Temporal', async () => {
  await plant({ 'src/activities/planted.ts': "export { spawn } from 'node:child_process';\n" });
  expect(await brokenRules()).toEqual(['programs-one-door']);
  await plant({ 'src/activities/planted.ts': "export { heartbeat } from '@temporalio/activity';\n" });
  expect(await brokenRules()).toEqual(['verbs-without-temporal']);
});

test('refuses a worker that the command line loads always, and a worker that loads workflows', async () => {
  await plant({
    'src/cli/planted.ts': "export { act } from '../worker/agent.ts';\n",
    'src/worker/planted.ts': "export { recipe } from '../workflows/recipe.ts';\n",
  });
  expect(await brokenRules()).toEqual(['cli-worker-by-dynamic-import', 'worker-rooms']);
});

test('refuses two files that need each other', async () => {
  await plant({
    'src/core/hen.ts': "import { egg } from './egg.ts';\nexport const hen = () => egg;\n",
    'src/core/egg.ts': "import { hen } from './hen.ts';\nexport const egg = () => hen;\n",
  });
  expect(await brokenRules()).toEqual(['no-circular']);
});
