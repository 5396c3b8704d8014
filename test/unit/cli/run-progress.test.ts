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

test('shows bytes as sizes, and a rate once the same step was seen before', () => {
  const before = { step: 'stage wal', attempt: 1, facts: { bytesDone: 1_000_000 } };
  const now = { step: 'stage wal', attempt: 1, host: 'db1', facts: { fetching: 'a.wal', bytesDone: 5_000_000 } };
  expect(progressText(now, undefined, 2000)).toBe('stage wal · fetching a.wal, 5.0 MB · on db1');
  expect(progressText(now, before, 2000)).toBe('stage wal · fetching a.wal, 5.0 MB · 2.0 MB/s · on db1');
  expect(progressText(now, { ...before, step: 'plan restore' }, 2000)).not.toContain('/s');
});

test('says why an attempt is not the first', () => {
  const progress = { step: 'swap in', attempt: 3, facts: {}, lastFailure: 'port-taken: 7401' };
  expect(progressText(progress, undefined, 0)).toBe('swap in · attempt 3 · after: port-taken: 7401');
});
