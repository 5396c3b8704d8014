/** The line that an operator types, and nothing of ours around it. */
import { type ProgramEnd, runProgram } from './run-program.ts';
import type { Scene } from './scene.ts';
import { toolPath } from './tools.ts';

export type Executed = { status: string; result?: unknown; closeEvent?: { workflowExecutionFailedEventAttributes?: { failure: Failure } } };
type Failure = { message: string; applicationFailureInfo?: { type: string } };

/** `temporal workflow execute -o json` of a type, with `--input …` where wanted. */
export function temporalExecute(scene: Scene, type: string, ...input: string[]): Promise<ProgramEnd> {
  const server = ['--address', scene.temporalAddress, '--namespace', scene.namespace];
  return runProgram(toolPath('temporal'), [
    ...['workflow', 'execute', '-o', 'json', '--type', type, '--task-queue', 'rstow'],
    ...[...input, ...server],
  ]);
}

export function failureOf({ stdout }: ProgramEnd): { message: string; code: string | undefined } {
  const { closeEvent } = JSON.parse(stdout) as Executed;
  const failure = closeEvent!.workflowExecutionFailedEventAttributes!.failure;
  return { message: failure.message, code: failure.applicationFailureInfo?.type };
}
