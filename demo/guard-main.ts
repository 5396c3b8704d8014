/** `node guard-main.ts FOLDER`: waits for the end of its input, then clears away what the demo has left. */
import { rm } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { processesWithEnvironment } from '../src/io/process/proc.ts';
import { signalProcessGroup } from '../src/io/process/run-command.ts';
import { DEMO_MARK } from './guard.ts';

const POLL_MS = 50;
const QUIET_ROUNDS = 3;

const [folder = ''] = process.argv.slice(2);
await text(process.stdin);
// A process that was just being started shows up a moment later.
for (let quiet = 0; quiet < QUIET_ROUNDS; quiet += 1) {
  const left = await processesWithEnvironment(DEMO_MARK, folder);
  for (const { processGroup } of left) signalProcessGroup(processGroup, 'SIGKILL');
  if (left.length > 0) quiet = 0;
  await sleep(POLL_MS);
}
await rm(folder, { recursive: true, force: true });
