import type { UsedSignature } from '../../formats/repository/used-signature.ts';
import type { Catalogue } from '../../store/store.ts';

/** Who has used the signature, as far as a repository of the database knows. Fails: repository-unavailable, if none answers. */
export async function findUse(catalogue: Catalogue, nonce: string): Promise<UsedSignature | undefined> {
  const { answers } = await catalogue.eachOfSome(({ signatures }) => signatures.find(nonce));
  return answers.find(({ found }) => found !== undefined)?.found;
}

/**
 * Remembers the use in each repository that answers; gives the use that stands: another one, if somebody was faster.
 * Fails: repository-unavailable, if none answers. Twice: the first one stands.
 */
export async function rememberUse(catalogue: Catalogue, use: UsedSignature): Promise<UsedSignature> {
  await catalogue.eachOfSome(({ signatures }) => signatures.put(use));
  return (await findUse(catalogue, use.nonce)) ?? use;
}
