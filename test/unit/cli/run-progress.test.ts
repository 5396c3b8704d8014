import type { WorkflowExecutionDescription } from '@temporalio/client';
import { expect, test } from 'vitest';
import { progressText, runProgress } from '../../../src/cli/run-progress.ts';

type Pending = Record<string, unknown>;

function described(...pendingActivities: Pending[]): WorkflowExecutionDescription {
  return { raw: { pendingActivities } } as unknown as WorkflowExecutionDescription;
}

function heartbeat(text: string): Pending {
  return { heartbeatDetails: { payloads: [{ data: new TextEncoder().encode(text) }] } };
}

test('tells nothing while no step is at work', () => {
  expect(runProgress(described())).toBeUndefined();
});

test('reads the step, the attempt, the host and what the step said of itself', () => {
  const pending = {
    activityType: { name: 'storeSegments' },
    attempt: 2,
    lastWorkerIdentity: 'db1 (17@host)',
    lastFailure: { message: 'repository-unavailable: away' },
    ...heartbeat('{"segment":3,"positionBytes":2000}'),
  };
  expect(runProgress(described(pending))).toEqual({
    step: 'store segments',
    attempt: 2,
    host: 'db1 (17@host)',
    lastFailure: 'repository-unavailable: away',
    facts: { segment: 3, positionBytes: 2000 },
  });
});

test('takes a heartbeat that is no JSON object for one that says nothing', () => {
  for (const text of ['', 'not json', '5', 'null']) {
    expect(runProgress(described({ activityType: { name: 'swapIn' }, ...heartbeat(text) }))?.facts).toEqual({});
  }
});

const NOW_MS = 1_000_000;

test('shows what is done of how much, how fast, and how long the rest takes', () => {
  const facts = { doing: 'a.wal', doneBytes: 5_000_000, totalBytes: 20_000_000 };
  const now = { step: 'stage wal', attempt: 1, host: 'db1 (17@host)', facts };
  const since = { step: 'stage wal', doneBytes: 1_000_000, seenAtMs: NOW_MS - 2000 };
  expect(progressText(now, undefined, NOW_MS)).toBe('stage wal · 5.0 MB of 20.0 MB (25 %) · on db1 · a.wal');
  expect(progressText(now, since, NOW_MS)).toBe('stage wal · 5.0 MB of 20.0 MB (25 %) · 2.0 MB/s · 8 s left · on db1 · a.wal');
  const small = { doneBytes: 0, totalBytes: 0 };
  expect(progressText({ ...now, facts: small }, since, NOW_MS)).toBe('stage wal · 0 B · on db1');
});

test('says for how long nothing was heard of a step that should be at work, and when one that failed is tried again', () => {
  const step = { step: 'stage wal', attempt: 2, facts: {} };
  expect(progressText({ ...step, heardAtMs: NOW_MS - 900 }, undefined, NOW_MS)).toBe('stage wal · attempt 2');
  expect(progressText({ ...step, heardAtMs: NOW_MS - 7000 }, undefined, NOW_MS)).toContain('nothing heard for 7 s');
  expect(progressText({ ...step, nextTryAtMs: NOW_MS + 4000 }, undefined, NOW_MS)).toBe('stage wal · attempt 2 · next try in 4 s');
});

test('reads when a step that waits is tried again, and when one at work was heard last', () => {
  const at = { seconds: '1000', nanos: 500_000_000 };
  const waiting = { activityType: { name: 'swapIn' }, state: 1, lastStartedTime: at, scheduledTime: at };
  expect(runProgress(described(waiting))).toMatchObject({ nextTryAtMs: 1_000_500 });
  const atWork = { activityType: { name: 'swapIn' }, state: 2, lastStartedTime: at, lastHeartbeatTime: at };
  expect(runProgress(described(atWork))).toMatchObject({ heardAtMs: 1_000_500 });
});
