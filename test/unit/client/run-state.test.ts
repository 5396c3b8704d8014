import type { WorkflowExecutionDescription } from '@temporalio/client';
import { expect, test } from 'vitest';
import { delayedUntilMs, runStep } from '../../../src/client/run-state.ts';

type Pending = Record<string, unknown>;

function described(...pendingActivities: Pending[]): WorkflowExecutionDescription {
  return { raw: { pendingActivities } } as unknown as WorkflowExecutionDescription;
}

function heartbeat(text: string): Pending {
  return { heartbeatDetails: { payloads: [{ data: new TextEncoder().encode(text) }] } };
}

test('tells nothing while no step is at work', () => {
  expect(runStep(described())).toBeUndefined();
});

test('reads the step, the attempt, the host and what the step said of itself', () => {
  const pending = {
    activityType: { name: 'storeSegments' },
    attempt: 2,
    lastWorkerIdentity: 'db1 (17@host)',
    lastFailure: { message: 'repository-unavailable: away' },
    ...heartbeat('{"segment":3,"positionBytes":2000}'),
  };
  expect(runStep(described(pending))).toEqual({
    step: 'store segments',
    attempt: 2,
    host: 'db1 (17@host)',
    lastFailure: 'repository-unavailable: away',
    facts: { segment: 3, positionBytes: 2000 },
  });
});

test('takes a heartbeat that is no JSON object for one that says nothing', () => {
  for (const text of ['', 'not json', '5', 'null']) {
    expect(runStep(described({ activityType: { name: 'swapIn' }, ...heartbeat(text) }))?.facts).toEqual({});
  }
});

test('reads when a step that waits is tried again, and when one at work was heard last', () => {
  const at = { seconds: '1000', nanos: 500_000_000 };
  const waiting = { activityType: { name: 'swapIn' }, state: 1, lastStartedTime: at, scheduledTime: at };
  expect(runStep(described(waiting))).toMatchObject({ nextTryAtMs: 1_000_500 });
  const atWork = { activityType: { name: 'swapIn' }, state: 2, lastStartedTime: at, lastHeartbeatTime: at };
  expect(runStep(described(atWork))).toMatchObject({ heardAtMs: 1_000_500 });
});

test('says until when a delayed start waits, and nothing of one that has begun', () => {
  const at = (seconds: number) =>
    delayedUntilMs(
      { raw: { workflowExecutionInfo: { executionTime: { seconds } } } } as unknown as WorkflowExecutionDescription,
      1_000_000,
    );
  expect([at(2_000), at(1_000), at(500)]).toEqual([2_000_000, undefined, undefined]);
});
