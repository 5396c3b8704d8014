import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { spawnDetached } from '../io/process/spawn-detached.ts';
import type { ActivityDeps } from './activity-deps.ts';

/** This module's own ending: sources run as they are, a built package has JavaScript beside it. */
const ENDING = import.meta.url.endsWith('.ts') ? '.ts' : '.js';

/**
 * Starts a process of its own that waits for the stop note's end, and ends the note itself should its holder die or
 * its deadline pass: nobody may find the server down because an agent, Temporal or a network died. Twice: a second
 * one, which finds nothing left to do.
 */
export async function spawnWatchdog(deps: ActivityDeps, database: string): Promise<void> {
  const main = fileURLToPath(new URL(`../worker/stop-note-watchdog-main${ENDING}`, import.meta.url));
  await spawnDetached({
    command: [process.execPath, main, deps.configFile, database],
    env: {},
    logFile: join(deps.config.agent.stateDir, 'watchdog.log'),
  });
}
