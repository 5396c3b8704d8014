import { readFile } from 'node:fs/promises';
import { builtWorkflowBundle, bundleWorkflows } from '../../src/worker/workflow-bundle.ts';

/** The workflows as an agent runs them: as the set-up has built them, unless the sources have changed since. */
export async function workflowBundleCode(): Promise<string> {
  const path = builtWorkflowBundle();
  return path === undefined ? bundleWorkflows() : readFile(path, 'utf8');
}
