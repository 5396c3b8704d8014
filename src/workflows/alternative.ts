import { ApplicationFailure } from '@temporalio/workflow';
import type { FindAlternativeInput } from '../activities/restore/find-alternative.ts';
import type { Place } from '../activities/catalogue/locate.ts';
import { alternativeSentence } from '../core/backup/alternative.ts';
import { isObjectDamage } from '../core/errors/object-damage.ts';
import { step } from './activity-proxies.ts';
import { runFailure } from './run-failure.ts';

/**
 * The failure of a run that met a damaged or missing object of a backup, and what can be restored instead: in its sentence, and as
 * `alternative` in its details. Any other error comes back as it is.
 */
export async function withAlternative(place: Place, wanted: Omit<FindAlternativeInput, 'damagedKey'>, error: unknown): Promise<unknown> {
  const failure = runFailure(error);
  if (!(failure instanceof ApplicationFailure) || !isObjectDamage(failure.type)) return error;
  const details = (failure.details?.[0] ?? {}) as Record<string, unknown>;
  const damagedKey = damagedKeyOf(failure);
  if (damagedKey === undefined) return error;
  const found = await step(place)
    .findAlternative({ ...wanted, damagedKey })
    .catch(() => null);
  if (found === null) return error;
  return ApplicationFailure.create({
    message: `${failure.message}; ${alternativeSentence(found)}`,
    type: failure.type ?? 'damaged-object',
    nonRetryable: true,
    details: [{ ...details, alternative: found.kind === 'none' ? null : found.label }],
    cause: failure,
  });
}

/** The object that a failure names as damaged or missing. */
export function damagedKeyOf({ type, details }: ApplicationFailure): string | undefined {
  const { key } = (details?.[0] ?? {}) as { key?: unknown };
  return isObjectDamage(type) && typeof key === 'string' ? key : undefined;
}
