import { CancellationScope, condition, defineUpdate, isCancellation, setHandler, workflowInfo } from '@temporalio/workflow';
import type { Agreement } from '../../activities/authority/authority.ts';
import {
  type Approval,
  approvalRefusal,
  APPROVE_UPDATE,
  type Denial,
  DENY_UPDATE,
  parseApproval,
  parseDenial,
  SIGNATURE_MEMO,
} from '../../contract/messages.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { durationText } from '../../core/text/figures.ts';
import { type Asked, isApprovalWanted, type Planned } from '../engine.ts';
import { step } from './activity-proxies.ts';
import { refuseInvalid, runFailure } from './failures.ts';
import type { Run } from './run.ts';

const approveUpdate = defineUpdate<Approval, [unknown]>(APPROVE_UPDATE);
const denyUpdate = defineUpdate<Denial, [unknown]>(DENY_UPDATE);

/** How long a run waits for an operator where no policy says so. */
const EXPIRES_MS = 86_400_000;

/** What has to be agreed to, and by whom. */
type Wanted = Asked & {
  run: Run;
  hash: string;
  what: 'plan' | 'request';
  consequence?: string | undefined;
  expiresMs: number;
  /** Null where the agent's config names no operators: then the name that an approval gives is taken for the person. */
  agreement: Agreement | null;
};

/**
 * Goes on once an operator has signed for a run that replaces data, by its start or by an approval: for a run that has no
 * plan yet, and takes something before it has one. Nobody has to where the agent's config names no operators.
 * Fails: approval-denied, approval-expired, and as the work does.
 */
export async function onceRequested<T>(run: Run, asked: Asked, work: () => Promise<T>): Promise<T> {
  const agreement = await agreementOf(asked, null);
  if (agreement === null || agreement.operators.length > 0) return work();
  const enough = { ...agreement, operatorsNeeded: 1 };
  return unlessDenied({ ...asked, run, hash: agreement.requestHash, what: 'request', expiresMs: EXPIRES_MS, agreement: enough }, work);
}

/**
 * Goes on with a plan once everybody has agreed whom the policy and the operators of the agent's config make necessary;
 * a denial ends the work, too, until the run is committed. Fails: approval-denied, approval-expired, and as the work does.
 */
export async function onceAgreed<T>(run: Run, planned: Planned, work: (wasAsked: boolean) => Promise<T>): Promise<T> {
  const { approval, planHash } = planned.plan;
  const agreement = await agreementOf(planned, planHash);
  const isPolicy = isApprovalWanted(planned.plan, run.type);
  const isEnough = agreement === null ? !isPolicy : agreement.operators.length >= agreement.operatorsNeeded;
  if (isEnough) return work(false);
  const expiresMs = isPolicy && approval !== undefined ? approval.expiresMs : EXPIRES_MS;
  return unlessDenied({ ...planned, run, hash: planHash, what: 'plan', expiresMs, agreement }, () => work(true));
}

function agreementOf({ place, input }: Asked, planHash: string | null): Promise<Agreement | null> {
  const signature = workflowInfo().memo?.[SIGNATURE_MEMO] ?? null;
  return step(place).checkStart({ database: input.database, input, signature, planHash });
}

type Decision = { operators: readonly string[]; isApproved: boolean; denial?: RstowError };

/** Asks, waits for as long as the policy says and through any restart, then works. Fails: approval-denied, approval-expired. */
async function unlessDenied<T>(wanted: Wanted, work: () => Promise<T>): Promise<T> {
  const { run, hash, what, expiresMs } = wanted;
  const decision: Decision = { operators: wanted.agreement?.operators ?? [], isApproved: false };
  const scope = new CancellationScope();
  takeApprovals(wanted, decision);
  takeDenials(run, decision, scope);
  run.phase('waiting for approval', approvalWanted(wanted));
  try {
    return await scope.run(async () => {
      await condition(() => decision.isApproved, expiresMs);
      if (!decision.isApproved)
        throw new RstowError('approval-expired', `nobody approved ${what} ${hash} within ${durationText(expiresMs)}`);
      return work();
    });
  } catch (error) {
    throw decision.denial !== undefined && isCancellation(error) ? decision.denial : error;
  }
}

function takeApprovals(wanted: Wanted, decision: Decision): void {
  const { hash, agreement, input, what } = wanted;
  const requestedBy = agreement === null && input.requestedBy !== undefined ? { requestedBy: input.requestedBy } : {};
  setHandler(
    approveUpdate,
    async (given) => {
      const approval = parseApproval(given);
      if (agreement !== null) await countOperator({ wanted, decision, agreement, approval });
      if (decision.denial !== undefined) throw runFailure(decision.denial);
      decision.isApproved = agreement === null || decision.operators.length >= agreement.operatorsNeeded;
      return approval;
    },
    {
      validator: (given) =>
        refuseInvalid(() => decidedAlready(decision) ?? approvalRefusal(parseApproval(given), { hash, what, ...requestedBy })),
    },
  );
}

/** Whose signature it is can't be found out here: an agent does it, and keeps it. */
async function countOperator(of: { wanted: Wanted; decision: Decision; agreement: Agreement; approval: Approval }): Promise<void> {
  const { place, input, hash, what } = of.wanted;
  const planHash = what === 'plan' ? hash : null;
  try {
    const { operators } = await step(place).checkApproval({ database: input.database, input, planHash, approval: of.approval });
    // Of two approvals at once, the answer to the first may come last.
    of.decision.operators = [...new Set([...of.decision.operators, ...operators])];
  } catch (error) {
    throw runFailure(error);
  }
}

function takeDenials(run: Run, decision: Decision, scope: CancellationScope): void {
  setHandler(
    denyUpdate,
    (given) => {
      const denial = parseDenial(given);
      decision.denial = new RstowError('approval-denied', `"${denial.by}" denied it: ${denial.reason}`);
      scope.cancel();
      return denial;
    },
    { validator: (given) => refuseInvalid(() => denialTooLate(run, decision) ?? (parseDenial(given), undefined)) },
  );
}

function decidedAlready({ denial, isApproved }: Decision): RstowError | undefined {
  if (denial !== undefined) return new RstowError('approval-denied', `it was decided already: ${denial.message}`);
  return isApproved ? new RstowError('approval-denied', 'it was approved already, and waits for nobody any more') : undefined;
}

function denialTooLate({ isCommitted, progress }: Run, { denial }: Decision): RstowError | undefined {
  if (denial !== undefined) return new RstowError('approval-denied', `it was decided already: ${denial.message}`);
  if (!isCommitted) return undefined;
  return new RstowError('approval-denied', `too late to deny it: the run is at "${progress.phase}"`);
}

/** What the run waits for, with the very command, and what is given up. */
function approvalWanted(wanted: Wanted): string {
  return `${approverWanted(wanted)}${wanted.consequence === undefined ? '' : `; ${wanted.consequence}`}`;
}

function approverWanted({ run, hash, agreement, what }: Wanted): string {
  const command = `\`rstow approve ${run.workflowId} --plan ${hash}\``;
  if (agreement === null) return `another person’s ${command}, or the update approve {"planHash": "${hash}", "by": "…"}`;
  const { operators, refusal } = agreement;
  const who = operators.length === 0 ? 'an operator’s' : `another operator’s than ${operators.join(', ')}’s`;
  return `${who} signed ${command} of this ${what}${refusal === null ? '' : `; the run’s start was not accepted as signed: ${refusal}`}`;
}
