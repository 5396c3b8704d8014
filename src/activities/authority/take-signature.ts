import type { UsedSignature } from '../../formats/repository/facts.ts';
import { type Signature, SIGNATURE_VALID_MS, type Statement } from '../../core/authority/statement.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import type { Catalogue } from '../../store/store.ts';
import { addGrant } from '../../io/agent-state/run-files.ts';
import { isSignedBy, keyIdOf } from '../../io/signing/operator-key.ts';
import type { ActivityDeps } from '../activity-deps.ts';
import type { RunChain } from '../run-port.ts';

type Signed = {
  database: string;
  chain: RunChain;
  statement: Statement;
  signature: Signature;
  /** The one plan that it is for; the whole run where absent. */
  planHash?: string | undefined;
};

const NONCE = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** Whose key it is. Fails: signature-refused, where this agent's config has no such key. */
export function operatorOfKey({ config }: ActivityDeps, keyId: string): string {
  const operators = config.operators ?? {};
  const name = Object.keys(operators).find((candidate) => keyIdOf(operators[candidate] ?? '') === keyId);
  if (name !== undefined) return name;
  const known = Object.keys(operators).join(', ');
  throw refused(`the key ${keyId} is not one of this agent's operators (${known})`);
}

/**
 * Takes a signature for a run: from here on the run has this operator's word. A signature is good for one run, within
 * ten minutes of its making; what was taken once stays taken, whenever it is asked again.
 * Fails: signature-refused, repository-unavailable. Twice: the same.
 */
export async function takeSignature(deps: ActivityDeps, signed: Signed): Promise<void> {
  const { database, chain, statement, signature, planHash } = signed;
  const operator = operatorOfKey(deps, signature.keyId);
  if (!NONCE.test(signature.nonce)) throw refused('its nonce is not a UUID');
  if (!isSignedBy(deps.config.operators?.[operator] ?? '', statement, signature)) {
    throw refused(`what "${operator}" signed is something else: another run, another plan or another input`);
  }
  const use = (await findUse(deps.catalogueOf(database), signature.nonce)) ?? (await useNow(deps, signed, operator));
  if (use.firstRunId !== chain.firstRunId)
    throw refused(`"${operator}" signed it for run ${use.workflowId} (${use.firstRunId}), and it is good for one run only`);
  await addGrant(deps.config.agent.stateDir, chain.firstRunId, {
    format: 1,
    workflowId: chain.workflowId,
    operator,
    planHash,
    nonce: signature.nonce,
    grantedAtMs: Date.now(),
  });
}

async function useNow(deps: ActivityDeps, { database, chain, statement, signature }: Signed, operator: string): Promise<UsedSignature> {
  const { nonce, signedAtMs } = signature;
  const usedAtMs = Date.now();
  requireFresh(signedAtMs, usedAtMs);
  const { workflowId, firstRunId } = chain;
  return rememberUse(deps.catalogueOf(database), {
    format: 1,
    nonce,
    operator,
    purpose: statement.purpose,
    workflowId,
    firstRunId,
    signedAtMs,
    usedAtMs,
  });
}

function requireFresh(signedAtMs: number, nowMs: number): void {
  const ageMs = nowMs - signedAtMs;
  if (Math.abs(ageMs) <= SIGNATURE_VALID_MS) return;
  const seconds = Math.round(Math.abs(ageMs) / 1000);
  if (ageMs > 0) throw refused(`it was made ${seconds} s ago, and is good for ${SIGNATURE_VALID_MS / 1000} s`);
  throw refused(`it was made ${seconds} s in the future: the clocks of this host and of the signer's differ`);
}

function refused(why: string): RstowError {
  return new RstowError('signature-refused', `the signature does not count: ${why}`);
}

/** Who has used the signature, as far as a repository of the database knows. Fails: repository-unavailable, if none answers. */
async function findUse(catalogue: Catalogue, nonce: string): Promise<UsedSignature | undefined> {
  const { answers } = await catalogue.eachOfSome(({ signatures }) => signatures.find(nonce));
  return answers.find(({ found }) => found !== undefined)?.found;
}

/**
 * Remembers the use in each repository that answers; gives the use that stands: another one, if somebody was faster.
 * Fails: repository-unavailable, if none answers. Twice: the first one stands.
 */
async function rememberUse(catalogue: Catalogue, use: UsedSignature): Promise<UsedSignature> {
  await catalogue.eachOfSome(({ signatures }) => signatures.put(use));
  return (await findUse(catalogue, use.nonce)) ?? use;
}
