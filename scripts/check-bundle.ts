/**
 * Builds the workflow bundle as a worker does. A module that workflow code can't have (Node, a native
 * module) fails here and not on the first start of an agent.
 */
import { fileURLToPath } from 'node:url';
import { bundleWorkflowCode } from '@temporalio/worker';

const problems: string[] = [];
const log = (_message: string): void => undefined;
const logger = {
  log,
  trace: log,
  debug: log,
  info: log,
  warn: (message: string) => problems.push(message),
  error: (message: string) => problems.push(message),
};

try {
  const { code } = await bundleWorkflowCode({
    workflowsPath: fileURLToPath(new URL('../src/workflows/index.ts', import.meta.url)),
    logger,
  });
  console.log(`workflow bundle: ${(Buffer.byteLength(code) / 1e6).toFixed(2)} MB`);
} catch (error) {
  problems.push(String(error));
}

for (const problem of problems) console.error(problem);
process.exitCode = problems.length === 0 ? 0 : 1;
