/** `node rotate-main.ts CONFIG`: the recipe of `rotateKeys` by this process alone, so that it can be killed; prints `begun`, then its result. */
import { randomUUID } from 'node:crypto';
import { boundActivities } from '../../src/local/local-run.ts';
import { localDeps } from '../../src/local/local-deps.ts';
import { localEngine } from '../../src/local/local-engine.ts';
import { rotateKeys } from '../../src/workflows/rotate-keys.ts';

const [configFile = '', database = 'orders'] = process.argv.slice(2);
const deps = await localDeps(configFile);
const runId = randomUUID();
const run = {
  workflowId: runId,
  runId,
  signal: new AbortController().signal,
  report: () => undefined,
  checkOpen: async () => Promise.resolve(),
  chain: async () => Promise.resolve(undefined),
};
const engine = localEngine({ type: 'rotateKeys', database, runId, verbs: boundActivities(deps, run), phase: () => undefined });
process.stdout.write('begun\n');
process.stdout.write(`${JSON.stringify(await rotateKeys({ database }, engine))}\n`);
