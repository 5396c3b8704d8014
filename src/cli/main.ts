import { endThoughCallsHang } from '../io/process/hanging-calls.ts';
import { existsSync } from 'node:fs';
import { configFileCandidates, defaultStateDir, type HostFacts } from '../contract/default-places.ts';
import { endQuietlyWithoutReader } from './output.ts';
import { runCli } from './program.ts';

const host: HostFacts = { isRoot: process.getuid?.() === 0, home: process.env['HOME'], stateHome: process.env['XDG_STATE_HOME'] };

endQuietlyWithoutReader(process.stdout, process.stderr);
const exitCode = await runCli(process.argv.slice(2), {
  configFile: process.env['RSTOW_CONFIG'] ?? configFileCandidates(host).find((file) => existsSync(file)),
  stateDir: defaultStateDir(host),
  workflowBundlePath: process.env['RSTOW_WORKFLOW_BUNDLE'],
  searchPath: process.env['PATH'] ?? '',
  isNotifying: process.env['NOTIFY_SOCKET'] !== undefined,
});
endThoughCallsHang(exitCode);
