/** The restart guard's loop alone, in a process of its own that can be killed at any instant. */
import { setTimeout as sleep } from 'node:timers/promises';
import { openDatabase } from '../../../src/database/database.ts';
import { createGuard } from '../../../src/database/guard-look.ts';
import { loadConfig } from '../../../src/worker/load-config.ts';

const INTERVAL_MS = 5;

const [configFile = '', database = ''] = process.argv.slice(2);
const guard = createGuard(openDatabase({ config: await loadConfig(configFile), configFile }, database));
for (;;) {
  await guard.look();
  process.stdout.write('looked\n');
  await sleep(INTERVAL_MS);
}
