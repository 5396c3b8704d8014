import { type ErrorCode, isUnreadable } from '../../core/errors/error-table.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import type { OutdatedObject } from '../../core/repository/stored-forms.ts';
import type { RotatedObjects } from '../../formats/repository/plans.ts';
import { byteProgress } from '../../replay/progress.ts';
import { sideBySide } from '../../store/small-batches.ts';
import type { Store } from '../../store/store.ts';
import type { ActivityDeps } from '../activity-deps.ts';
import type { RunPort } from '../run-port.ts';

type BatchInput = {
  database: string;
  repository: string;
  /** Counted through the whole run. */
  batch: number;
  /** Behind which key it begins. */
  after?: string | undefined;
  objectsMax: number;
};

export type FailedObject = { key: string; code: ErrorCode; message: string };

export type RotatedBatch = {
  /** What was proved: the next step deletes the old ones. */
  planKey: string;
  rotated: number;
  bytesStored: number;
  failed: number;
  /** A few of them. */
  firstFailed: FailedObject[];
  /** Behind which the next batch begins; absent after the last one. */
  next?: string | undefined;
};

const FIRST_MAX = 10;

/** As it is stored: about the tenth of what it holds. */
const LARGE_SIZE_BYTES = 1024 * 1024;

/**
 * Stores the next objects under the keys of today, several side by side, and reads each back. Deletes nothing. What can't be opened or is
 * damaged is passed over and named. Fails: repository-unavailable, not-enough-space. Twice: what is stored by then is proved again.
 */
export const rotateObjects =
  (deps: ActivityDeps) =>
  async (input: BatchInput, run: RunPort): Promise<RotatedBatch> => {
    const store = await deps.openStore(input.database, input.repository);
    const plans = store.plans.rotated(input.batch);
    const known = await plans.find(run.runId);
    const plan = known ?? (await plans.keep(run.runId, await rotateBatch(store, input, run))).plan;
    const { renewed, failed, next } = plan;
    return {
      planKey: plans.keyOf(run.runId),
      rotated: renewed.length,
      bytesStored: renewed.reduce((sum, { storedBytes }) => sum + storedBytes, 0),
      failed: failed.length,
      firstFailed: failed.slice(0, FIRST_MAX) as FailedObject[],
      next,
    };
  };

async function rotateBatch({ rotation }: Store, { after, objectsMax }: BatchInput, run: RunPort): Promise<RotatedObjects> {
  const { objects, next } = await rotation.batch({ after, objectsMax });
  const done: RotatedObjects = { format: 1, renewed: [], failed: [], next };
  const totalBytes = objects.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const progress = byteProgress(run, totalBytes);
  const rotateOne = async (object: OutdatedObject): Promise<void> => {
    progress.doing(object.key);
    try {
      const renewed = await rotation.renew(object, run);
      if (renewed !== undefined) done.renewed.push(renewed);
    } catch (error) {
      if (!(error instanceof RstowError) || !(isUnreadable(error.code) || error.code === 'wrong-key')) throw error;
      done.failed.push({ key: object.key, code: error.code, message: error.message });
    }
    progress.add(object.sizeBytes);
  };
  // Large ones take turns: each has compressor and decompressor with a window of its own.
  let turn = Promise.resolve();
  await sideBySide(objects, rotation.width, (object) => {
    if (object.sizeBytes < LARGE_SIZE_BYTES) return rotateOne(object);
    const own = turn.then(() => rotateOne(object));
    turn = own.catch(() => undefined);
    return own;
  });
  return done;
}

/**
 * Deletes the old forms of what an earlier step of the run has proved, by a listing of its own. Fails: missing-object, cancelled,
 * repository-unavailable. Twice: no-op.
 */
export const retireObjects =
  (deps: ActivityDeps) =>
  async ({ database, repository, planKey }: { database: string; repository: string; planKey: string }, run: RunPort): Promise<void> => {
    const store = await deps.openStore(database, repository);
    const { renewed } = await store.plans.rotated(0).read(planKey);
    await store.confirm();
    await run.checkOpen();
    await store.rotation.retire(renewed, run.signal);
  };
