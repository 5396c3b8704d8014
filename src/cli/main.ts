import { runCli } from './program.ts';

process.exitCode = await runCli(process.argv.slice(2), {
  configFile: process.env['RSTOW_CONFIG'],
  workflowBundlePath: process.env['RSTOW_WORKFLOW_BUNDLE'],
  searchPath: process.env['PATH'] ?? '',
});

/** A handle that somebody has left open must not keep a command alive that has said its last word. */
const LINGER_MS = 5_000;
setTimeout(() => process.exit(), LINGER_MS).unref();
