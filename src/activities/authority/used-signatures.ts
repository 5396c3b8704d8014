import { type UsedSignature, usedSignatureSchema } from '../../formats/repository/used-signature.ts';
import { usedSignatureKey } from '../../core/repository/object-keys.ts';
import { putSealed, readSealed } from '../../io/repository/sealed-object.ts';
import type { ActivityDeps } from '../activity-deps.ts';
import { inEachRepository, requireOneAnswer } from '../../store/each-repository.ts';

/** Who has used the signature, as far as a repository of the database knows. Fails: repository-unavailable, where none answers. */
export async function findUse(deps: ActivityDeps, database: string, nonce: string): Promise<UsedSignature | undefined> {
  const key = usedSignatureKey(database, nonce);
  const all = await inEachRepository(deps, database, (repository) => readSealed(repository, key, usedSignatureSchema));
  requireOneAnswer(all);
  return all.answers.find(({ found }) => found !== undefined)?.found;
}

/**
 * Remembers the use in each repository that answers; gives the use that stands: another one, where somebody was faster.
 * Fails: repository-unavailable, where none answers. Twice: the first one stands.
 */
export async function rememberUse(deps: ActivityDeps, database: string, use: UsedSignature): Promise<UsedSignature> {
  const key = usedSignatureKey(database, use.nonce);
  const all = await inEachRepository(deps, database, (repository) =>
    putSealed(repository, key, { schema: usedSignatureSchema, value: use }),
  );
  requireOneAnswer(all);
  return (await findUse(deps, database, use.nonce)) ?? use;
}
