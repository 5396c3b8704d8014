import { runCli } from './program.ts';

process.exitCode = await runCli(process.argv.slice(2), {
  configFile: process.env['RSTOW_CONFIG'],
  workflowBundlePath: process.env['RSTOW_WORKFLOW_BUNDLE'],
  searchPath: process.env['PATH'] ?? '',
});
