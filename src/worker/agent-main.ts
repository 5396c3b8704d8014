/** `node agent-main.ts --config FILE`: an agent and nothing else; `rstow agent` runs the same program. */
import { endThoughCallsHang } from '../io/process/hanging-calls.ts';
import { parseArgs } from 'node:util';
import { agentProgram } from './agent-program.ts';

const { values } = parseArgs({ options: { config: { type: 'string' } } });
const exitCode = await agentProgram({
  configFile: values.config ?? process.env['RSTOW_CONFIG'],
  workflowBundlePath: process.env['RSTOW_WORKFLOW_BUNDLE'],
});
endThoughCallsHang(exitCode);
