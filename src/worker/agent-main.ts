/** `node agent-main.ts --config FILE`: an agent and nothing else; `rstow agent` runs the same program. */
import { errorRow } from '../core/errors/error-table.ts';
import { RstowError, sentenceOf } from '../core/errors/rstow-error.ts';
import { endThoughCallsHang } from '../io/process/hanging-calls.ts';
import { parseArgs } from 'node:util';
import { agentProgram } from './agent-program.ts';

const { values } = parseArgs({ options: { config: { type: 'string' } } });
endThoughCallsHang(await main());

async function main(): Promise<number> {
  try {
    await agentProgram({
      configFile: values.config ?? process.env['RSTOW_CONFIG'],
      workflowBundlePath: process.env['RSTOW_WORKFLOW_BUNDLE'],
    });
    return 0;
  } catch (error) {
    if (!(error instanceof RstowError)) throw error;
    process.stderr.write(`error: ${sentenceOf(error)}\nhint: ${error.hint}\n`);
    return errorRow(error.code).exitCode;
  }
}
