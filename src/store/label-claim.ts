import { labelClaimSchema } from '../formats/repository/label-claim.ts';
import { labelClaimKey } from '../core/repository/object-keys.ts';
import type { Repository } from '../io/repository/port.ts';
import { putSealed, readSealed } from '../io/repository/sealed-object.ts';

/** Takes the label for a run if nobody has it; false where it is another run's. Twice: the same answer. */
export async function claimLabel(repository: Repository, database: string, claim: { label: string; runId: string }): Promise<boolean> {
  const { label, runId } = claim;
  const key = labelClaimKey(database, label);
  if ((await putSealed(repository, key, { schema: labelClaimSchema, value: { format: 1, runId } })) === 'stored') return true;
  return (await readSealed(repository, key, labelClaimSchema))?.runId === runId;
}
