import { type Client, type ScheduleDescription, ScheduleAlreadyRunning } from '@temporalio/client';
import { scheduleId } from '../contract/names.ts';
import { PLANNED_MS, plannedRuns, SCHEDULED_TYPES, type ScheduledType, type WantedSchedule } from '../contract/schedules.ts';
import { RstowError } from '../core/errors/rstow-error.ts';
import { withRstowErrors } from './temporal.ts';
import { findSchedule, isOwn, type ScheduleState, scheduleState, unlessMissing } from './schedule-state.ts';
import { CONFIG_PAUSE_NOTE, presentFields, type ScheduleFields, scheduleOptions, wantedFields } from './schedule-form.ts';

/** What becomes of one schedule. */
export type ScheduleChange = {
  id: string;
  type: ScheduledType;
  /** `unlisted`: the config has none, and it stays; `foreign`: somebody else has made it, and it is left alone. */
  kind: 'made' | 'changed' | 'same' | 'removed' | 'unlisted' | 'foreign';
  /** Of a changed one. */
  fields: { name: string; from: string | undefined; to: string | undefined }[];
  /** How many runs of it begin within the next 30 days, from now on. */
  runsPlanned: number;
};

export type ApplyOptions = {
  /** Changes nothing, and says what would be changed. */
  isDry?: boolean;
  /** Removes what the config no longer lists. */
  prunes?: boolean;
};

/** The schedules of one database. Each call fails with an `RstowError`: temporal-unreachable, or as it says. */
export type Schedules = {
  /**
   * Makes Temporal's schedules what is wanted. A pause of an operator's stays; a schedule that this has not made is left alone.
   * Twice: nothing is changed.
   */
  apply(wanted: readonly WantedSchedule[], options?: ApplyOptions): Promise<ScheduleChange[]>;
  list(): Promise<ScheduleState[]>;
  /** Fails: invalid-input, if there is none of ours, as all that follow. Twice: the later reason. */
  pause(type: ScheduledType, reason: string): Promise<void>;
  resume(type: ScheduledType): Promise<void>;
  /** Starts a run now, also of a paused one. Fails: busy, if one is going. */
  run(type: ScheduledType): Promise<void>;
  /** Runs that are going go on. Twice: invalid-input. */
  remove(type: ScheduledType): Promise<void>;
};

export function schedules(client: Client, database: string): Schedules {
  const own = (type: ScheduledType) => ownSchedule(client, database, type);
  return {
    apply: (wanted, options = {}) =>
      withRstowErrors(async () => {
        const changes: ScheduleChange[] = [];
        for (const type of SCHEDULED_TYPES) {
          const change = await applyOne(client, { database, type, wanted: wanted.find((other) => other.type === type) }, options);
          if (change !== undefined) changes.push(change);
        }
        return changes;
      }),
    list: () =>
      withRstowErrors(async () => {
        const found = await Promise.all(SCHEDULED_TYPES.map((type) => scheduleState(client, database, type)));
        return found.filter((state) => state !== undefined);
      }),
    pause: (type, reason) => withRstowErrors(async () => (await own(type)).handle.pause(reason)),
    // Not `unpause`, which leaves no time: what was due before is not missed.
    resume: (type) =>
      withRstowErrors(async () => (await own(type)).handle.update((schedule) => ({ ...schedule, state: { paused: false } }))),
    run: (type) =>
      withRstowErrors(async () => {
        const { handle, runningId } = await own(type);
        if (runningId !== undefined) {
          const hint = `\`rstow watch ${runningId}\` follows it.`;
          throw new RstowError('busy', `a run of this schedule is going: ${runningId}`, {
            details: { database, workflowId: runningId },
            hint,
          });
        }
        await handle.trigger();
      }),
    remove: (type) => withRstowErrors(async () => (await own(type)).handle.delete()),
  };
}

type One = { database: string; type: ScheduledType; wanted: WantedSchedule | undefined };

/** Undefined if there is none and none is wanted. */
async function applyOne(client: Client, one: One, { isDry = false, prunes = false }: ApplyOptions): Promise<ScheduleChange | undefined> {
  const { database, type, wanted } = one;
  const present = await findSchedule(client, database, type);
  if (present === undefined && wanted === undefined) return undefined;
  const planned = changeOf(one, present, prunes);
  if (isDry) return planned;
  const handle = client.schedule.getHandle(planned.id);
  if (planned.kind === 'removed') await handle.delete().catch(unlessMissing);
  if (wanted === undefined) return planned;
  const options = scheduleOptions(database, wanted);
  if (planned.kind === 'made') {
    try {
      await client.schedule.create(options);
    } catch (error) {
      // Somebody else has made it meanwhile.
      if (!(error instanceof ScheduleAlreadyRunning)) throw error;
      return applyOne(client, one, { isDry, prunes });
    }
  }
  if (planned.kind === 'changed') {
    const { spec, action, policies } = options;
    await handle.update(({ state }) => ({ spec, action, policies, state: keepsPause(state, wanted) ? state : options.state }));
  }
  return planned;
}

function changeOf({ database, type, wanted }: One, present: ScheduleDescription | undefined, prunes: boolean): ScheduleChange {
  const nowMs = Date.now();
  const runsPlanned = wanted === undefined ? 0 : plannedRuns(wanted, { afterMs: nowMs, untilMs: nowMs + PLANNED_MS });
  const change = { id: scheduleId(database, type), type, fields: [], runsPlanned };
  if (present === undefined) return { ...change, kind: 'made' };
  if (!isOwn(present, database)) return { ...change, kind: 'foreign', runsPlanned: 0 };
  if (wanted === undefined) return { ...change, kind: prunes ? 'removed' : 'unlisted' };
  const fields = differences(presentFields(present), wantedOf(database, wanted, present));
  return { ...change, kind: fields.length === 0 ? 'same' : 'changed', fields };
}

function wantedOf(database: string, wanted: WantedSchedule, { state }: ScheduleDescription): ScheduleFields {
  const fields = wantedFields(database, wanted);
  return keepsPause(state, wanted) ? { ...fields, paused: String(state.paused) } : fields;
}

function keepsPause({ paused, note }: ScheduleDescription['state'], wanted: WantedSchedule): boolean {
  return paused && !wanted.paused && note !== CONFIG_PAUSE_NOTE;
}

function differences(present: ScheduleFields, wanted: ScheduleFields): ScheduleChange['fields'] {
  const names = Object.keys(wanted) as (keyof ScheduleFields)[];
  return names.flatMap((name) => (present[name] === wanted[name] ? [] : [{ name, from: present[name], to: wanted[name] }]));
}

async function ownSchedule(client: Client, database: string, type: ScheduledType) {
  const present = await findSchedule(client, database, type);
  const id = scheduleId(database, type);
  if (present !== undefined && isOwn(present, database)) {
    return { handle: client.schedule.getHandle(id), runningId: present.info.runningActions[0]?.workflow.workflowId };
  }
  const details = { database, type, schedule: id };
  if (present === undefined) {
    const hint = `\`rstow schedule list ${database}\` shows those that are there; \`rstow schedule apply\` makes what the config lists.`;
    throw new RstowError('invalid-input', `there is no schedule of ${type} for "${database}"`, { details, hint });
  }
  const hint = `\`temporal schedule --help\` says how to change it. If it is deleted, \`rstow schedule apply\` makes one from the config.`;
  throw new RstowError('invalid-input', `the schedule ${id} was not made from a config`, { details, hint });
}
