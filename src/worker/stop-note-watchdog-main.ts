import { closeSync, writeSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { inspect } from 'node:util';
import { type Database, openDatabase } from '../database/database.ts';
import { finishStopNote, WATCHDOG_READY } from '../database/finish-stop-note.ts';
import { RstowError } from '../core/errors/rstow-error.ts';
import { readStopNote } from '../io/data-directory/rstow-folder.ts';
import { loadConfig } from './load-config.ts';

/**
 * Started, detached, by whoever is about to stop the server: says that it is ready once it has read its config and the
 * note, which an agent of another version may have written, then waits until the stop note is
 * gone, or ends it when its holder has died or its deadline has passed. Arguments: config file, database, data directory.
 */
const POLL_MS = 250;
const FAILURE_PAUSE_MS = 2_000;

/** Where the restore listens for the one line. */
const REPORT_DESCRIPTOR = 3;

const [configFile = '', name = '', dataDir = ''] = process.argv.slice(2);
const database = await openNamed().catch((error: unknown) => {
  report(error instanceof RstowError ? `${error.code}: ${error.message}` : `failed: ${String(error)}`);
  throw error;
});
report(WATCHDOG_READY);

for (;;) {
  try {
    const finish = await finishStopNote(database);
    if (finish !== 'held') break;
    await delay(POLL_MS);
  } catch (error) {
    process.stderr.write(`${new Date().toISOString()} ${inspect(error)}\n`);
    // Another version's note: trying again changes nothing, and that version's agent looks after it.
    if (error instanceof RstowError && error.code === 'format-unsupported') break;
    await delay(FAILURE_PAUSE_MS);
  }
}

async function openNamed(): Promise<Database> {
  const opened = openDatabase({ config: await loadConfig(configFile), configFile }, name);
  if (opened.dataDir === dataDir) {
    await readStopNote(dataDir);
    return opened;
  }
  const changed = `${configFile} now says dataDir ${opened.dataDir} for database "${name}", but the agent works with ${dataDir}`;
  throw new RstowError('invalid-config', `${changed}; restart the agent`);
}

/** The restore may have died by now: then nobody listens, and the watch goes on. */
function report(line: string): void {
  try {
    writeSync(REPORT_DESCRIPTOR, `${line.replaceAll('\n', ' ')}\n`);
    closeSync(REPORT_DESCRIPTOR);
  } catch (error) {
    process.stderr.write(`${new Date().toISOString()} nobody heard "${line}": ${String(error)}\n`);
  }
}
