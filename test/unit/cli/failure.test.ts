import { ApplicationFailure, CancelledFailure, TerminatedFailure, TimeoutFailure, WorkflowFailedError } from '@temporalio/client';
import { expect, test } from 'vitest';
import { cliFailure, failureLines } from '../../../src/cli/failure.ts';
import { RstowError } from '../../../src/core/errors/rstow-error.ts';

function ofRun(cause: Error): ReturnType<typeof cliFailure> {
  return cliFailure(new WorkflowFailedError('Workflow execution failed', cause, 'NON_RETRYABLE_FAILURE'));
}

test('gives each code its exit code and its hint, once', async () => {
  const failure = (await cliFailure(new RstowError('busy', 'database "orders" is in use')))!;
  expect(failure.exitCode).toBe(11);
  expect(failureLines(failure)).toEqual(['error: busy: database "orders" is in use', expect.stringMatching(/^hint: Wait/)]);
});

test('takes the code out of a run’s own sentence', async () => {
  const cause = ApplicationFailure.create({ message: 'wal-gap: segment 3 is missing', type: 'wal-gap' });
  expect(await ofRun(cause)).toMatchObject({ code: 'wal-gap', sentence: 'segment 3 is missing', exitCode: 15 });
});

test('names in a hint the very command, from the details of a run’s failure', async () => {
  const details = [{ holder: 'rstow/orders/hotBackup/1' }];
  const cause = ApplicationFailure.create({ message: 'busy: database "orders" is in use', type: 'busy', details });
  expect((await ofRun(cause))?.hint).toContain('`rstow cancel rstow/orders/hotBackup/1`');
  expect((await cliFailure(new RstowError('busy', 'in use')))?.hint).toContain('`rstow cancel <workflow-id>`');
});

test('reports a run that ended without a failure of its own by how it ended', async () => {
  expect(await ofRun(new CancelledFailure('cancelled'))).toMatchObject({ code: 'cancelled', exitCode: 1 });
  expect((await ofRun(new TerminatedFailure('by an operator')))?.sentence).toContain('by an operator');
  expect(await ofRun(new TimeoutFailure('timeout', undefined, 'START_TO_CLOSE'))).toMatchObject({
    code: 'agent-unreachable',
    exitCode: 17,
  });
  expect(await ofRun(ApplicationFailure.create({ message: 'odd', type: 'Error' }))).toMatchObject({ code: 'failed', sentence: 'odd' });
});

test('calls Temporal unreachable if gRPC says so, and leaves what it does not know alone', async () => {
  const grpc = Object.assign(new Error('14 UNAVAILABLE'), { code: 14, details: 'no connection', metadata: {} });
  expect(await cliFailure(grpc)).toMatchObject({ code: 'temporal-unreachable', exitCode: 17 });
  const details = 'No connection established. Last error: Error: connect ECONNREFUSED 127.0.0.1:7233. Resolution note: ';
  const away = Object.assign(new Error('14 UNAVAILABLE'), { code: 14, details, metadata: {} });
  expect((await cliFailure(away))?.sentence).toBe('Temporal failed: connect ECONNREFUSED 127.0.0.1:7233');
  expect(await cliFailure(new TypeError('x is not a function'))).toBeUndefined();
});
