import { setTimeout as sleep } from 'node:timers/promises';
import type { Activities } from '../activities/activities.ts';
import { noBackupYet } from '../contract/hot-backup.ts';
import type { WorkflowType } from '../contract/workflow-types.ts';
import { RstowError } from '../core/errors/rstow-error.ts';
import { type Engine, isApprovalWanted, type Places, type Planned } from '../workflows/engine.ts';

export type LocalParts = {
  type: WorkflowType;
  database: string;
  runId: string;
  /** The verbs, given up when a person interrupts. */
  verbs: Activities;
  /** The same for whatever has to come to its end; `verbs` themselves if nobody can interrupt. */
  lastingVerbs?: Activities | undefined;
  /** Is shown where the run is. */
  phase: (phase: string) => void;
  /** The clock, in Unix ms. */
  now?: (() => number) | undefined;
};

/**
 * Recipes as one process runs them without Temporal: each verb is its own body, once, and there is no history. Nobody
 * else can see the run, so there is no lock but the data mutex that the verbs take, nobody to ask for approval, and no
 * one who waits; the first backup of a new history is left to the agent.
 */
export function localEngine(parts: LocalParts): Engine {
  const { type, database, runId, verbs, phase, now = (): number => Date.now() } = parts;
  const ends = endsOf(parts);
  return {
    database,
    runId,
    startedAtMs: now(),
    places: placesOf(verbs),
    phase: (text, waitsFor) => phase(waitsFor === undefined ? text : `${text}, waiting for ${waitsFor}`),
    note: (what, error) => phase(`${what} failed: ${messageOf(error)}`),
    placed: () => undefined,
    commit: () => undefined,
    ...kindsOfVerbs(ends.verbs),
    onceReady: async (_place, check, work) => {
      await check();
      return work();
    },
    exclusive: (_place, work) => work(),
    exclusiveFirst: (_place, work) => work(),
    requested: (_asked, work) => work(),
    agreed: async ({ plan }, work) => {
      requireNoApproval(plan, { type, database });
      return work(false);
    },
    firstBackup: async () => ({ warnings: [{ code: 'no-backup-yet', message: noBackupYet(database) }] }),
    uninterrupted: ends.uninterrupted,
    compensate: ends.compensate,
    now,
    chance: () => Math.random(),
    sleep: (waitMs) => sleep(waitMs),
    isCancelled: (error) => error instanceof RstowError && error.code === 'cancelled',
    isSilent: () => false,
  };
}

type Ends = Pick<Engine, 'uninterrupted' | 'compensate'> & { /** Those for what is done now. */ verbs: () => Activities };

/** What comes to its end although a person interrupts. */
function endsOf({ verbs, lastingVerbs = verbs, phase }: LocalParts): Ends {
  let lasting = 0;
  const uninterrupted = async <T>(work: () => Promise<T>): Promise<T> => {
    lasting += 1;
    try {
      return await work();
    } finally {
      lasting -= 1;
    }
  };
  return {
    verbs: () => (lasting > 0 ? lastingVerbs : verbs),
    uninterrupted,
    compensate: async (what, work) => {
      try {
        await uninterrupted(work);
      } catch (error) {
        phase(`${what} failed, the agent will do it: ${messageOf(error)}`);
      }
    },
  };
}

type KindsOfVerbs = Pick<
  Engine,
  | 'steps'
  | 'transfers'
  | 'lockedTransfers'
  | 'archives'
  | 'comparisons'
  | 'cleanups'
  | 'surveys'
  | 'checks'
  | 'restarts'
  | 'swaps'
  | 'swapsBack'
  | 'inspections'
>;

/** There is one place, and nothing is tried again, so all kinds are one. */
function kindsOfVerbs(here: () => Activities): KindsOfVerbs {
  return {
    steps: here,
    transfers: here,
    lockedTransfers: here,
    archives: here,
    comparisons: here,
    cleanups: here,
    surveys: here,
    checks: here,
    restarts: here,
    swaps: here,
    swapsBack: here,
    inspections: here,
  };
}

/** Every place is this host. */
function placesOf({ locateDatabase }: Activities): Places {
  const here = (database: string): ReturnType<Activities['locateDatabase']> => locateDatabase({ database });
  return {
    owner: here,
    ownerInTime: here,
    agent: (_agent, database) => here(database),
    anywhere: here,
    hosts: async (database) => ({ owner: await here(database), standby: undefined }),
    ownerIfStillThere: here,
  };
}

/** Another person's agreement comes as a message to a run in Temporal. Fails: approval-denied. */
function requireNoApproval(plan: Planned['plan'], { type, database }: { type: string; database: string }): void {
  if (!isApprovalWanted(plan, type)) return;
  const setting = `databases.${database}.approval`;
  throw new RstowError('approval-denied', `${setting} asks for another person's approval, which nobody can give without Temporal`);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
