import { ActivityCancellationType, type ActivityOptions, proxyActivities, type RetryPolicy } from '@temporalio/workflow';
import type { Activities } from '../activities/activities.ts';
import type { Place } from '../activities/locate.ts';
import { agentQueue, ANY_QUEUE, databaseQueue } from '../contract/names.ts';

/** What must have stopped before its compensation begins is waited for. */
const cancellationType = ActivityCancellationType.WAIT_CANCELLATION_COMPLETED;

/** How long nobody polling a queue passes for a slow agent. */
const PROBE_MS = 60_000;

/** So many agents, half a second apart, may say that they can't, before the last one's reason is told. */
const ANYONE_ATTEMPTS_MAX = 20;

type Probes = Pick<Activities, 'locateDatabase' | 'locateAgent' | 'locateAnywhere'>;

/** Asks who is there. Nobody polls: the one place where a schedule-to-start timeout is right. */
function probe(taskQueue: string, retry: RetryPolicy = { initialInterval: '500ms' }): Probes {
  return proxyActivities<Probes>({
    taskQueue,
    scheduleToStartTimeout: PROBE_MS,
    startToCloseTimeout: '30s',
    scheduleToCloseTimeout: 2 * PROBE_MS,
    retry,
  });
}

export const probeDatabase = (database: string): Probes => probe(databaseQueue(database));
export const probeAgent = (agent: string): Probes => probe(agentQueue(agent));
export const probeAnyone = (): Probes =>
  probe(ANY_QUEUE, { initialInterval: '500ms', backoffCoefficient: 1, maximumAttempts: ANYONE_ATTEMPTS_MAX });

function pinned(place: Place, options: ActivityOptions): Activities {
  const { heartbeatMs, retryInitialMs, retryMaxMs } = place.timing;
  return proxyActivities<Activities>({
    taskQueue: place.queue,
    heartbeatTimeout: heartbeatMs,
    retry: { initialInterval: retryInitialMs, maximumInterval: retryMaxMs },
    cancellationType,
    ...options,
  });
}

/** Takes seconds; what still fails after the step's bound is told to a person. */
export const step = (place: Place): Activities => pinned(place, { scheduleToCloseTimeout: place.timing.stepGiveUpMs });

/** Copies or reads gigabytes: no short limit, but silence means that the agent died. Resumes piece by piece. */
export const transfer = (place: Place): Activities =>
  pinned(place, { startToCloseTimeout: '12h', scheduleToCloseTimeout: place.timing.transferGiveUpMs });

/** Compensations and whatever ends with the server up: tried for as long as an agent may need to come back. */
export const cleanup = (place: Place): Activities => pinned(place, { scheduleToCloseTimeout: '7d' });
