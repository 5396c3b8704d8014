import { ActivityCancellationType, type ActivityOptions, proxyActivities } from '@temporalio/workflow';
import type { Activities } from '../activities/activities.ts';
import type { Place } from '../activities/locate.ts';
import { agentQueue, ANY_QUEUE, databaseQueue } from '../contract/names.ts';

/** What must have stopped before its compensation begins is waited for. */
const cancellationType = ActivityCancellationType.WAIT_CANCELLATION_COMPLETED;

/** How long nobody polling a queue passes for a slow agent. */
const PROBE_MS = 60_000;

type Probes = Pick<Activities, 'locateDatabase' | 'locateAgent' | 'locateAnywhere'>;

/** Asks who is there. Nobody polls: the one place where a schedule-to-start timeout is right. */
function probe(taskQueue: string): Probes {
  return proxyActivities<Probes>({
    taskQueue,
    scheduleToStartTimeout: PROBE_MS,
    startToCloseTimeout: '30s',
    scheduleToCloseTimeout: 2 * PROBE_MS,
    retry: { initialInterval: '500ms' },
  });
}

export const probeDatabase = (database: string): Probes => probe(databaseQueue(database));
export const probeAgent = (agent: string): Probes => probe(agentQueue(agent));
export const probeAnyone = (): Probes => probe(ANY_QUEUE);

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
