/**
 * Takes a database's server down as a run does, says `down`, and holds it down for as long as it lives itself.
 * Arguments: config file, database.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { openDatabase } from '../../src/database/database.ts';
import { withServerDown } from '../../src/database/server-down.ts';
import { planStop } from '../../src/io/data-directory/swap.ts';
import { loadConfig } from '../../src/worker/load-config.ts';

const [configFile = '', name = ''] = process.argv.slice(2);
const database = openDatabase({ config: await loadConfig(configFile), configFile }, name);
const runId = 'held-down';
await withServerDown({
  database,
  run: { runId, signal: new AbortController().signal, report: () => undefined },
  plan: { kind: 'stopped', ...(await planStop(database.dataDir, runId)) },
  isDone: () => Promise.resolve(false),
  askFirst: () => Promise.resolve(),
  whileDown: async () => {
    console.log('down');
    await sleep(3_600_000);
  },
});
