import { setTimeout as delay } from 'node:timers/promises';
import { inspect } from 'node:util';
import { databaseSettings } from '../activities/database-settings.ts';
import { finishStopNote } from '../activities/finish-stop-note.ts';
import { loadConfig } from './load-config.ts';

/**
 * Started, detached, by a restore before it stops the server: waits until the stop note is gone, or ends it when its
 * holder has died or its deadline has passed. Arguments: config file, database.
 */
const POLL_MS = 250;
const FAILURE_PAUSE_MS = 2_000;

const [configFile = '', database = ''] = process.argv.slice(2);
const config = await loadConfig(configFile);
const settings = databaseSettings(config, database);

for (;;) {
  try {
    const finish = await finishStopNote(settings, config.timing);
    if (finish !== 'held') break;
    await delay(POLL_MS);
  } catch (error) {
    process.stderr.write(`${new Date().toISOString()} ${inspect(error)}\n`);
    await delay(FAILURE_PAUSE_MS);
  }
}
