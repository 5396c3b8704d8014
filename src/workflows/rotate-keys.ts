import type { Place } from '../activities/catalogue/locate.ts';
import type { PlannedRotation } from '../activities/rotation/plan-rotation.ts';
import type { FailedObject, RotatedBatch } from '../activities/rotation/rotate-objects.ts';
import { outcomeOf, type Warning } from '../contract/result.ts';
import type { RotateKeysInput, RotateKeysResult } from '../contract/rotate-keys.ts';
import { countedText } from '../core/text/figures.ts';
import type { Engine } from './engine.ts';
import { placeOfArchive } from './import-backup.ts';

/** What an agent still stores under old keys while its config is changed, a second pass finds; what comes then is said. */
const PASSES_MAX = 3;

/** A batch is what one step does. A history has room for so many in each pass, however many objects there are. */
const BATCHES_MAX = 400;
const BATCH_OBJECTS_MIN = 100;

/** Of objects that could not be rotated, so many are named. */
const NAMED_MAX = 10;

/**
 * Stores each object anew under the keys that the config names, and deletes the old one in a later step. It takes no lock: nothing is ever
 * replaced, and readers take either form.
 */
export async function rotateKeys(input: RotateKeysInput, engine: Engine): Promise<RotateKeysResult> {
  const place = await placeOfArchive(engine, input);
  const { database, runId, startedAtMs } = engine;
  engine.phase('looking for what lies under other keys');
  const planned = await engine.steps(place).planRotation({ database, repository: input.repository });
  const { repository, suffix } = planned;
  const rotation: Rotation = { engine, place, repository };
  const { left, failed, rotated, bytesStored } = await rotateAll(rotation, planned);
  engine.phase('removing key sets that nothing uses');
  const keySetsRemoved = await engine.steps(place).removeKeySets({ database, repository, rotated, left: left.objects });
  const warnings = warningsOf(left, failed);
  return {
    outcome: planned.objects === 0 && keySetsRemoved.length === 0 ? 'not-needed' : outcomeOf(warnings),
    runId,
    database,
    warnings,
    repository,
    agent: place.agent,
    suffix,
    rotated,
    bytesStored,
    failed: failed.objects,
    left: left.sets.map(({ suffix: under, objects }) => ({ suffix: under, objects })),
    keySetsRemoved,
    durationMs: engine.now() - startedAtMs,
  };
}

type Rotation = { engine: Engine; place: Place; repository: string };

/** Of the last pass: what failed in an earlier one was tried again. */
type Failed = { objects: number; first: FailedObject[] };

type Done = { rotated: number; bytesStored: number; /** Of all passes. */ batches: number };

/** Until nothing is left but what can't be rotated, or what keeps coming. */
async function rotateAll(rotation: Rotation, planned: PlannedRotation): Promise<Done & { left: PlannedRotation; failed: Failed }> {
  const { engine, place, repository } = rotation;
  const done: Done = { rotated: 0, bytesStored: 0, batches: 0 };
  let failed: Failed = { objects: 0, first: [] };
  let left = planned;
  for (let pass = 1; left.objects > failed.objects && pass <= PASSES_MAX; pass += 1) {
    failed = await rotateOnce(rotation, { pass, objects: left.objects }, done);
    left = await engine.steps(place).planRotation({ database: engine.database, repository });
  }
  return { ...done, left, failed };
}

/** All that is there, in the order of the keys. */
async function rotateOnce(rotation: Rotation, { pass, objects }: { pass: number; objects: number }, done: Done): Promise<Failed> {
  const { engine, place, repository } = rotation;
  const { database } = engine;
  const failed: Failed = { objects: 0, first: [] };
  const objectsMax = Math.max(BATCH_OBJECTS_MIN, Math.ceil(objects / BATCHES_MAX));
  let after: string | undefined;
  let seen = 0;
  do {
    engine.phase(`rotating ${seen} of ${countedText(objects, 'object')}${pass === 1 ? '' : `, pass ${pass}`}`);
    done.batches += 1;
    const wanted = { database, repository, batch: done.batches, after, objectsMax };
    const batch: RotatedBatch = await engine.transfers(place).rotateObjects(wanted);
    // What lies there by now is listed once more before anything is deleted.
    if (batch.rotated > 0) await engine.steps(place).retireObjects({ database, repository, planKey: batch.planKey });
    done.rotated += batch.rotated;
    done.bytesStored += batch.bytesStored;
    failed.objects += batch.failed;
    failed.first = [...failed.first, ...batch.firstFailed].slice(0, NAMED_MAX);
    seen = Math.min(objects, seen + batch.rotated + batch.failed);
    after = batch.next;
  } while (after !== undefined);
  return failed;
}

function warningsOf(left: PlannedRotation, failed: Failed): Warning[] {
  const warnings: Warning[] = failed.first.map(({ code, message }) => ({ code, message: `it stays as it is: ${message}` }));
  const unnamed = failed.objects - failed.first.length;
  if (unnamed > 0) warnings.push({ code: 'damaged-object', message: `${countedText(unnamed, 'more object')} could not be rotated` });
  const coming = left.objects - failed.objects;
  if (coming > 0) warnings.push({ code: 'old-keys-in-use', message: keepsComing(left, coming) });
  return warnings;
}

function keepsComing({ sets, suffix }: PlannedRotation, coming: number): string {
  const newest = sets.map(({ newestKey }) => newestKey).join(', ');
  return (
    `${countedText(coming, 'object')} came under other keys than ${suffix} while the run went on, such as ${newest}: ` +
    'an agent still has the old keys in its config. Change that, restart it, and rotate once more'
  );
}
