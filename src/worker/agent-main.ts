/** `node agent-main.ts --config FILE`: an agent and nothing else; `rstow agent` runs the same program. */
import { parseArgs } from 'node:util';
import { agentProgram } from './agent-program.ts';

const { values } = parseArgs({ options: { config: { type: 'string' } } });
process.exitCode = await agentProgram({
  configFile: values.config ?? process.env['RSTOW_CONFIG'],
  workflowBundlePath: process.env['RSTOW_WORKFLOW_BUNDLE'],
});
