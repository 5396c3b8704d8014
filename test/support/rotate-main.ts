/** `node rotate-main.ts CONFIG`: the recipe of `rotateKeys` by this process alone, so that it can be killed; prints `begun`, then its result. */
import { randomUUID } from 'node:crypto';
import { ownRun } from '../../src/activities/run-port.ts';
import { boundActivities } from '../../src/local/local-run.ts';
import { localDeps } from '../../src/local/local-deps.ts';
import { localEngine } from '../../src/local/local-engine.ts';
import { rotateKeys } from '../../src/workflows/rotate-keys.ts';

const [configFile = '', database = 'orders'] = process.argv.slice(2);
const deps = await localDeps(configFile);
const runId = randomUUID();
const engine = localEngine({ type: 'rotateKeys', database, runId, verbs: boundActivities(deps, ownRun(runId)), phase: () => undefined });
process.stdout.write('begun\n');
process.stdout.write(`${JSON.stringify(await rotateKeys({ database }, engine))}\n`);
