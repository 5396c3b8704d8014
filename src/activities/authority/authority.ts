import { createHash } from 'node:crypto';
import { type AgentConfig, databaseSettings } from '../../config/agent-config.ts';
import { type Approval, hasSignedAlready, parseSignature } from '../../contract/messages.ts';
import { requestText } from '../../core/authority/statement.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { readGrants } from '../../io/agent-state/run-files.ts';
import type { ActivityDeps } from '../activity-deps.ts';
import type { RunChain, RunPort } from '../run-port.ts';
import { operatorOfKey, takeSignature } from './take-signature.ts';

/** Who has put a name to what a run is about to do. */
export type Agreement = {
  /** So many different operators have to: two where the approval policy wants another person's agreement. */
  operatorsNeeded: number;
  operators: string[];
  /** Names the request itself, for an approval before there is a plan. */
  requestHash: string;
  /** Why the signature of the start does not count; null where it does, or where there is none. */
  refusal: string | null;
};

type CheckStartInput = {
  database: string;
  /** The run's own, as its parser gives it: that is what was signed. */
  input: object;
  /** From the run's memo, and not parsed yet; null where it has none. */
  signature: unknown;
  /** Null before there is a plan. */
  planHash: string | null;
};

/**
 * Takes the signature that a run was started with. One that does not count is no failure: the run can still be approved.
 * Null where the config names no operators, so that nobody has to sign.
 * Fails: temporal-unreachable, repository-unavailable. Twice: the same.
 */
export const checkStart =
  (deps: ActivityDeps) =>
  async ({ database, input, signature, planHash }: CheckStartInput, run: RunPort): Promise<Agreement | null> => {
    const chain = await run.chain();
    if (deps.config.operators === undefined || chain === undefined) return null;
    const { workflowId, workflowType } = chain;
    const take = (): Promise<void> =>
      takeSignature(deps, {
        database,
        chain,
        statement: { purpose: 'start', workflowType, workflowId, input },
        signature: parseSignature(signature),
      });
    const refusal = signature === null ? null : await refusalOf(take);
    return agreementOf(deps, chain, { database, input, planHash, refusal });
  };

type CheckApprovalInput = Omit<CheckStartInput, 'signature'> & { approval: Approval };

/** Takes a signed approval. Fails: signature-refused, approval-denied, temporal-unreachable, repository-unavailable. Twice: the same. */
export const checkApproval =
  (deps: ActivityDeps) =>
  async ({ database, input, planHash, approval }: CheckApprovalInput, run: RunPort): Promise<Agreement> => {
    const { signature, planHash: hash } = approval;
    const chain = await run.chain();
    if (signature === undefined || chain === undefined) {
      throw new RstowError('signature-refused', 'the approval is not signed, and this agent takes signed ones only');
    }
    const before = await agreementOf(deps, chain, { database, input, planHash, refusal: null });
    const operator = operatorOfKey(deps, signature.keyId);
    if (before.operators.includes(operator)) throw hasSignedAlready(operator);
    const { workflowId, firstRunId } = chain;
    const statement = { purpose: 'approve' as const, workflowId, firstRunId, hash };
    // Whoever approves a request makes it as good as started by them.
    const about = hash === before.requestHash ? undefined : hash;
    await takeSignature(deps, { database, chain, statement, signature, planHash: about });
    return agreementOf(deps, chain, { database, input, planHash, refusal: null });
  };

/**
 * Before a step that replaces data, whoever asked for that step: the run has every signature that the config wants.
 * Temporal's word alone is not enough, for whoever can write to its namespace can start any step.
 * Fails: signature-refused, temporal-unreachable.
 */
export async function requireAuthority(deps: ActivityDeps, run: RunPort, of: Replacing): Promise<void> {
  if (deps.config.operators === undefined) return;
  const chain = await run.chain();
  if (chain === undefined) return;
  const operators = await operatorsOf(deps, chain, of.planHash ?? ANY_PLAN);
  const needed = of.isPreparing === true ? 1 : operatorsNeeded(deps.config, of.database, chain.workflowType);
  if (operators.length >= needed) return;
  const sentence = `run ${chain.workflowId} was signed by ${operators.length} of the ${needed} operators who have to`;
  throw new RstowError('signature-refused', sentence, { details: { operators, needed } });
}

/** No plan's hash. */
const ANY_PLAN = 'any';

type Replacing = {
  database: string;
  /** Undefined for a step that comes before or after the plan itself: whatever was signed for the run counts. */
  planHash?: string;
  /** The step itself replaces nothing, so that one operator is enough for it. */
  isPreparing?: boolean;
};

type Asked = Omit<CheckStartInput, 'signature'> & { refusal: string | null };

async function agreementOf(deps: ActivityDeps, chain: RunChain, { database, input, planHash, refusal }: Asked): Promise<Agreement> {
  const { workflowType, workflowId, firstRunId } = chain;
  const request = requestText({ workflowType, workflowId, firstRunId, input });
  return {
    operatorsNeeded: operatorsNeeded(deps.config, database, workflowType),
    operators: await operatorsOf(deps, chain, planHash),
    requestHash: createHash('sha256').update(request).digest('hex'),
    refusal,
  };
}

async function operatorsOf({ config }: ActivityDeps, { firstRunId, workflowId }: RunChain, planHash: string | null): Promise<string[]> {
  const grants = await readGrants(config.agent.stateDir, firstRunId);
  const counting = grants.filter(
    (grant) => grant.workflowId === workflowId && (planHash === ANY_PLAN || [undefined, planHash].includes(grant.planHash)),
  );
  const known = counting.map(({ operator }) => operator).filter((operator) => config.operators?.[operator] !== undefined);
  return [...new Set(known)].sort();
}

function operatorsNeeded(config: AgentConfig, database: string, workflowType: string): number {
  const wanted: readonly string[] = databaseSettings(config, database).approval?.for ?? [];
  return wanted.includes(workflowType) ? 2 : 1;
}

/** Null where it was taken. */
async function refusalOf(take: () => Promise<void>): Promise<string | null> {
  try {
    await take();
    return null;
  } catch (error) {
    if (error instanceof RstowError && ['signature-refused', 'invalid-input'].includes(error.code)) return error.message;
    throw error;
  }
}

type NoteHistoryInput = { database: string; timeline: string };

/**
 * Says in the owner's claim which timeline the database goes on with, once a restore has swapped it in. Fails:
 * owner-outdated, signature-refused, repository-unavailable. Twice: no-op.
 */
export const noteHistory =
  (deps: ActivityDeps) =>
  async ({ database, timeline }: NoteHistoryInput, run: RunPort): Promise<void> => {
    await requireAuthority(deps, run, { database, isPreparing: true });
    await run.checkOpen();
    await deps.catalogueOf(database).owner.follow(timeline);
  };
