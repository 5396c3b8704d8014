/**
 * The workflows as one file, as the SDK runs them: built once, at set-up or for the package, so that no agent spends
 * seconds and a hundred megabytes on it. The set-up imports this before there are any packages.
 */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const IS_BUILT = extname(import.meta.url) === '.js';
export const WORKFLOWS_PATH = join(ROOT, IS_BUILT ? 'dist/workflows/index.js' : 'src/workflows/index.ts');

/** Rooms that workflow code comes from. */
const SOURCES = ['src/core', 'src/contract', 'src/workflows'];

/**
 * Where the bundle belongs: in an installed package beside the other code, in a checkout under a name that changes with
 * the sources, so that an older one is never taken for it.
 */
export function workflowBundlePath(): string {
  return join(ROOT, IS_BUILT ? 'dist/workflow-bundle.js' : `.tools/workflow-bundles/${sourcesHash()}.js`);
}

/** Of these very sources; undefined if it has not been built since they were changed. */
export function builtWorkflowBundle(): string | undefined {
  const path = workflowBundlePath();
  return existsSync(path) ? path : undefined;
}

export type BundleProblems = { warn: (message: string) => void };

/** Takes seconds. What the bundler warns of, such as a module that workflows can't have, goes to `problems`, else to stderr. */
export async function bundleWorkflows(problems?: BundleProblems): Promise<string> {
  const { bundleWorkflowCode, DefaultLogger } = await import('@temporalio/worker');
  const logger = new DefaultLogger('WARN', problems === undefined ? undefined : ({ message }) => problems.warn(message));
  const { code } = await bundleWorkflowCode({
    workflowsPath: WORKFLOWS_PATH,
    logger,
    // Stack traces keep their files and lines. The sources themselves would be kept in memory, twice.
    webpackConfigHook: (config) => ({ ...config, devtool: 'inline-nosources-source-map' }),
  });
  return inLatin(code);
}

/** One character beyond Latin-1 doubles what the whole text takes in memory. They are in strings and comments only. */
function inLatin(code: string): string {
  return code.replaceAll(/[\u0100-\uffff]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

function sourcesHash(): string {
  const hash = createHash('sha256');
  for (const file of ['node_modules/@temporalio/worker/package.json', 'src/worker/workflow-bundle.ts'])
    hash.update(readFileSync(join(ROOT, file)));
  for (const folder of SOURCES) {
    const files = readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'));
    for (const file of files.sort()) hash.update(`${folder}/${file}\n`).update(readFileSync(join(ROOT, folder, file)));
  }
  return hash.digest('hex').slice(0, 16);
}
