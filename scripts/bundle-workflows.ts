/**
 * `node scripts/bundle-workflows.ts [FILE]`: builds the workflow bundle as a worker does, into FILE or to the place where
 * an agent of this checkout looks for it. A module that workflow code can't have (Node, a native module) fails here and
 * not on the first start of an agent.
 */
import { mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { bundleWorkflows, workflowBundlePath } from '../src/worker/workflow-bundle.ts';

const [wanted] = process.argv.slice(2);
const path = wanted === undefined ? workflowBundlePath() : resolve(wanted);
const problems: string[] = [];

try {
  const code = await bundleWorkflows({ warn: (message) => problems.push(message) });
  if (problems.length === 0) write(code);
} catch (error) {
  problems.push(String(error));
}

for (const problem of problems) console.error(problem);
process.exitCode = problems.length === 0 ? 0 : 1;

/** Whole or not at all; bundles of former sources are of no more use. */
function write(code: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(`${path}.${process.pid}`, code);
  renameSync(`${path}.${process.pid}`, path);
  if (wanted === undefined) {
    for (const name of readdirSync(dirname(path))) if (name !== basename(path)) rmSync(join(dirname(path), name), { force: true });
  }
  console.log(`workflow bundle: ${(Buffer.byteLength(code) / 1e6).toFixed(2)} MB`);
}
