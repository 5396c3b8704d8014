import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isErrorCode } from '../core/errors/error-table.ts';
import { RstowError } from '../core/errors/rstow-error.ts';
import { spawnTelling } from '../io/process/spawn-detached.ts';
import type { Database } from './database.ts';

/** This module's own ending: sources run as they are, a built package has JavaScript beside it. */
const ENDING = import.meta.url.endsWith('.ts') ? '.ts' : '.js';

/** What a watchdog says once it has read its config; anything else is a code and a sentence. */
export const WATCHDOG_READY = 'ready';

/** A busy host takes its time to start a Node.js. */
const READY_TIMEOUT_MS = 30_000;

/**
 * Starts a process of its own that waits for the stop note's end, and ends the note itself should its holder die or
 * its deadline pass: nobody may find the server down because an agent, Temporal or a network died. Returns once that
 * process is ready. Fails: invalid-config (the file has changed for the worse), failed. Twice: a second one, which
 * finds nothing left to do.
 */
export async function spawnWatchdog({ name, dataDir, agent }: Database): Promise<void> {
  const main = fileURLToPath(new URL(`../worker/stop-note-watchdog-main${ENDING}`, import.meta.url));
  const logFile = join(agent.stateDir, 'watchdog.log');
  const command = [process.execPath, main, agent.configFile, name, dataDir];
  const said = await spawnTelling({ command, env: {}, logFile }, READY_TIMEOUT_MS);
  if (said === WATCHDOG_READY) return;
  const [, code = 'failed', why] = /^([a-z-]+): (.*)$/.exec(said ?? '') ?? [];
  const sentence = `the server was not stopped, because the watchdog that would start it again could not be started (${why ?? `see ${logFile}`})`;
  throw new RstowError(isErrorCode(code) ? code : 'failed', sentence, { details: { logFile } });
}
