/**
 * `node expire-main.ts CONFIG DAYS [REPOSITORY]`: the recipe of `expireBackups` by this process alone, so many days later, so that it can be killed; prints
 * `begun`, then its result.
 */
import { randomUUID } from 'node:crypto';
import { ownRun } from '../../src/activities/run-port.ts';
import { boundActivities } from '../../src/local/local-run.ts';
import { localDeps } from '../../src/local/local-deps.ts';
import { localEngine } from '../../src/local/local-engine.ts';
import { expireBackups } from '../../src/workflows/expire-backups.ts';

const [configFile = '', days = '0', repository] = process.argv.slice(2);
const realNow = Date.now.bind(Date);
Date.now = () => realNow() + Number(days) * 86_400_000;
const database = 'orders';
const deps = await localDeps(configFile);
const runId = randomUUID();
const engine = localEngine({
  type: 'expireBackups',
  database,
  runId,
  verbs: boundActivities(deps, ownRun(runId)),
  phase: () => undefined,
});
process.stdout.write('begun\n');
process.stdout.write(`${JSON.stringify(await expireBackups({ database, repository, apply: true }, engine))}\n`);
