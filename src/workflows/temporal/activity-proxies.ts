import {
  ActivityCancellationType,
  type ActivityOptions,
  type RetryPolicy,
  scheduleActivity,
  sleep,
  workflowInfo,
} from '@temporalio/workflow';
import type { Activities } from '../../activities/activities.ts';
import type { Origin } from '../../activities/run-port.ts';
import type { Place } from '../../activities/catalogue/locate.ts';
import { errorTable } from '../../core/errors/error-table.ts';
import { type SlotKind, slotQueue } from '../../contract/names.ts';
import type { WorkflowType } from '../../contract/workflow-types.ts';
import { errorOfStep, passingReason } from './failures.ts';
import { STEP_SUMMARIES } from './step-summaries.ts';

/** What must have stopped before its compensation begins is waited for. */
const cancellationType = ActivityCancellationType.WAIT_CANCELLATION_COMPLETED;

/** So long a host that has just answered may take to take a step up, before it counts as lost. */
const TAKEN_UP_MS = 60_000;

/** Of a question to a host that may be gone. */
const BRIEFLY_MS = 4_000;

const CODES = Object.keys(errorTable);

/** Each verb, scheduled with these options and a summary that the UI shows beside it. Fails: with RstowErrors, and as a cancellation. */
function scheduled(options: ActivityOptions, origin?: Origin): Activities {
  const verbOf = (_target: object, name: string | symbol) => async (input: unknown) => {
    try {
      return await scheduleActivity(String(name), origin === undefined ? [input] : [input, origin], {
        ...options,
        summary: STEP_SUMMARIES[name as keyof Activities],
      });
    } catch (error) {
      throw errorOfStep(error);
    }
  };
  return new Proxy({}, { get: verbOf }) as Activities;
}

type Probes = Pick<Activities, 'locateDatabase' | 'locateAgent' | 'locateAnyAgent' | 'locateStandby' | 'knowDatabase'>;

/** Asks who is there, for `waitMs`. Nobody polls: the one place where a schedule-to-start timeout is right. */
export function probe(taskQueue: string, waitMs: number, retry: RetryPolicy = {}): Probes {
  return scheduled({
    taskQueue,
    scheduleToStartTimeout: waitMs,
    startToCloseTimeout: '10s',
    scheduleToCloseTimeout: 2 * waitMs,
    retry: { initialInterval: '500ms', backoffCoefficient: 1, ...retry },
  });
}

/** Asks an installation that may be gone. */
export const inspection = (installationId: string): Activities =>
  scheduled({
    taskQueue: slotQueue(installationId, 'steps'),
    scheduleToStartTimeout: BRIEFLY_MS,
    startToCloseTimeout: '30s',
    scheduleToCloseTimeout: '40s',
    retry: { initialInterval: '500ms' },
  });

type PinnedOptions = Omit<ActivityOptions, 'retry'> & { slots?: SlotKind; finalCodes?: string[] };

function pinned(place: Place, { finalCodes = [], slots = 'steps', ...options }: PinnedOptions): Activities {
  const { heartbeatMs, retryInitialMs, retryMaxMs } = place.timing;
  const retry = { initialInterval: retryInitialMs, maximumInterval: retryMaxMs, nonRetryableErrorTypes: finalCodes };
  const taskQueue = slotQueue(place.installationId, slots);
  return scheduled({ taskQueue, heartbeatTimeout: heartbeatMs, retry, cancellationType, ...options }, { runId: place.runId });
}

/**
 * Takes seconds. What fails is tried again for as long as a person has patience, counted from the first failure; an agent
 * that dies on the way is waited for until the step's own bound.
 */
export const step = (place: Place): Activities =>
  patient(pinned(place, { scheduleToCloseTimeout: place.timing.stepGiveUpMs, finalCodes: CODES }), place);

/**
 * Copies or reads gigabytes: no short limit, but silence means that the agent died. Resumes piece by piece. What only
 * checks or copies a backup never keeps a backup waiting, and neither of them what brings a database back.
 */
export const transfer = (place: Place): Activities =>
  pinned(place, { slots: slotsOfRun(), startToCloseTimeout: '12h', scheduleToCloseTimeout: place.timing.transferGiveUpMs });

/** The same if somebody waits for the lock, or another repository holds the state: a repository that is away is not waited for. */
export const lockedTransfer = (place: Place): Activities =>
  patient(
    pinned(place, {
      slots: slotsOfRun(),
      startToCloseTimeout: '12h',
      scheduleToCloseTimeout: place.timing.transferGiveUpMs,
      finalCodes: CODES,
    }),
    place,
  );

function slotsOfRun(): SlotKind {
  switch (workflowInfo().workflowType as WorkflowType) {
    case 'verifyBackup':
    case 'testRecovery':
    case 'importBackup':
    case 'exportBackup':
    case 'rotateKeys':
    case 'copyBackups':
    case 'expireBackups':
      return 'checks';
    case 'restore':
    case 'restoreVolume':
    case 'pointInTimeRecovery':
    case 'recoverInstance':
    case 'undoRestore':
    case 'rebaseDatabase':
    case 'disasterRecovery':
      return 'recoveries';
    default:
      return 'transfers';
  }
}

/** The log can't be followed while nobody has noticed that its agent died. */
const ARCHIVE_HEARTBEAT_MS = 5_000;

/** Longer than a turn of the archive may be. */
const ARCHIVE_TURN_MS = 7_200_000;

/** Follows a log until its turn is over. It is tried again each second, for as long as that takes; a host that is lost is not waited for. */
export const archive = (place: Place): Activities => {
  const { timing } = place;
  const evenly = { ...place, timing: { ...timing, retryMaxMs: timing.retryInitialMs } };
  const heartbeatTimeout = Math.min(timing.heartbeatMs, ARCHIVE_HEARTBEAT_MS);
  return pinned(evenly, { slots: 'archive', scheduleToStartTimeout: TAKEN_UP_MS, startToCloseTimeout: ARCHIVE_TURN_MS, heartbeatTimeout });
};

/**
 * Looks at data that are in place and good as far as anybody knows. It takes as long as the state is large, and has a
 * patience of its own: whatever it fails with is final.
 */
export const comparison = (place: Place): Activities =>
  pinned(place, { startToCloseTimeout: '12h', scheduleToCloseTimeout: place.timing.transferGiveUpMs, finalCodes: CODES });

/** Compensations: what an agent that is gone leaves undone, its own housekeeping clears when it is back. */
export const cleanup = (place: Place): Activities => pinned(place, { scheduleToCloseTimeout: place.timing.cleanupGiveUpMs });

/** What is asked before the server is touched. */
const ASKED_FIRST = ['temporal-unreachable', 'repository-unavailable'];

/**
 * Takes the server down and ends with it up. Whatever it fails with is final, for another try would take the server
 * down again; only an agent that died on the way is waited for.
 */
export const swap = (place: Place): Activities => pinned(place, { scheduleToCloseTimeout: '7d', finalCodes: CODES });

/** Starts a server that is down, for as long as it takes to replay its log; a host that is lost meanwhile is not waited for. */
export const restart = (place: Place): Activities =>
  pinned(place, { slots: 'recoveries', scheduleToStartTimeout: TAKEN_UP_MS, scheduleToCloseTimeout: '7d', finalCodes: CODES });

/** Looks at the data in place, reading what is new in them; a host that is lost meanwhile is not waited for. */
export const survey = (place: Place): Activities =>
  pinned(place, { slots: 'recoveries', scheduleToStartTimeout: TAKEN_UP_MS, scheduleToCloseTimeout: place.timing.stepGiveUpMs });

/** Reads what is in place for a report: whatever it fails with is a part of that, and a host that is lost is not waited for. */
export const check = (place: Place): Activities =>
  pinned(place, {
    slots: 'checks',
    scheduleToStartTimeout: TAKEN_UP_MS,
    scheduleToCloseTimeout: place.timing.stepGiveUpMs,
    finalCodes: CODES,
  });

/** The same backwards, where the server may be down for good: what can't be asked yet is asked again. */
export const swapBack = (place: Place): Activities =>
  pinned(place, { scheduleToCloseTimeout: '7d', finalCodes: CODES.filter((code) => !ASKED_FIRST.includes(code)) });

/** The verbs, each tried again while trying again can help: for `patienceMs` after its first failure, and no longer. */
function patient(verbs: Activities, { timing }: Place): Activities {
  const verbOf = (_target: object, name: string | symbol) => (input: unknown) => {
    const verb = verbs[name as keyof Activities] as (input: unknown) => Promise<unknown>;
    return tryAgain(() => verb(input), timing);
  };
  return new Proxy({}, { get: verbOf }) as Activities;
}

async function tryAgain<T>(attempt: () => Promise<T>, { patienceMs, retryInitialMs, retryMaxMs }: Place['timing']): Promise<T> {
  let untilMs: number | undefined;
  for (let waitMs = retryInitialMs; ; waitMs = Math.min(2 * waitMs, retryMaxMs)) {
    try {
      return await attempt();
    } catch (error) {
      const reason = passingReason(error);
      untilMs ??= Date.now() + patienceMs;
      if (reason === undefined || Date.now() + waitMs > untilMs) throw error;
      await sleep(waitMs, { summary: `then try again: ${reason}` });
    }
  }
}
