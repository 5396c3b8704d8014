import { condition, defineUpdate, setHandler } from '@temporalio/workflow';
import { durationText } from '../core/text/figures.ts';
import type { PlannedRestore } from '../activities/restore/plan-restore.ts';
import {
  type Approval,
  APPROVE_UPDATE,
  approvalRefusal,
  type Denial,
  DENY_UPDATE,
  parseApproval,
  parseDenial,
} from '../contract/messages.ts';
import { RstowError } from '../core/errors/rstow-error.ts';
import { runFailure } from './run-failure.ts';
import type { Run } from './run.ts';

const approveUpdate = defineUpdate<Approval, [unknown]>(APPROVE_UPDATE);
const denyUpdate = defineUpdate<Denial, [unknown]>(DENY_UPDATE);

/** What has to be agreed to: one plan, by another person than the one who asked. */
type Wanted = { planHash: string; expiresMs: number; requestedBy?: string; discards?: string };

/** What is to be agreed to, by whom it was asked for, and what is given up by it. */
type Planned = { plan: PlannedRestore; workflow: string; requestedBy: string | undefined; discards?: string };

/** Waits for approval where the policy asks for it; false where it doesn't. Fails: approval-denied, approval-expired. */
export async function agreed(run: Run, of: Planned): Promise<boolean> {
  const { approval, planHash } = of.plan;
  if (approval === undefined || !isApprovalWanted(of)) return false;
  await awaitApproval(run, {
    planHash,
    expiresMs: approval.expiresMs,
    ...(of.discards === undefined ? {} : { discards: of.discards }),
    ...(of.requestedBy === undefined ? {} : { requestedBy: of.requestedBy }),
  });
  return true;
}

/** Whether a person will be asked. */
export function isApprovalWanted({ plan, workflow }: Pick<Planned, 'plan' | 'workflow'>): boolean {
  return plan.approval?.for.includes(workflow) === true;
}

/**
 * Waits, for as long as the policy says and through any restart, until another person approves this very plan.
 * Fails: approval-denied, approval-expired. Gives who approved it.
 */
async function awaitApproval(run: Run, wanted: Wanted): Promise<string> {
  let decision: { approvedBy: string } | { refusal: RstowError } | undefined;
  setHandler(
    approveUpdate,
    (given) => {
      const approval = parseApproval(given);
      decision ??= { approvedBy: approval.by };
      return approval;
    },
    { validator: (given) => refuseInvalid(() => approvalRefusal(parseApproval(given), wanted)) },
  );
  setHandler(
    denyUpdate,
    (given) => {
      const denial = parseDenial(given);
      decision ??= { refusal: new RstowError('approval-denied', `"${denial.by}" denied it: ${denial.reason}`) };
      return denial;
    },
    { validator: (given) => refuseInvalid(() => (parseDenial(given), undefined)) },
  );
  run.phase(
    'waiting for approval',
    `another person’s \`rstow approve ${run.workflowId} --plan ${wanted.planHash}\`, or the update approve {"planHash": "${wanted.planHash}", "by": "…"}${wanted.discards === undefined ? '' : `; it discards ${wanted.discards}`}`,
  );
  await condition(() => decision !== undefined, wanted.expiresMs);
  if (decision === undefined)
    throw new RstowError('approval-expired', `nobody approved plan ${wanted.planHash} within ${durationText(wanted.expiresMs)}`);
  if ('refusal' in decision) throw decision.refusal;
  return decision.approvedBy;
}

/** A validator refuses by throwing; nothing of the refused update enters the history. */
function refuseInvalid(check: () => RstowError | undefined): void {
  let refusal: unknown;
  try {
    refusal = check();
  } catch (error) {
    refusal = error;
  }
  if (refusal !== undefined) throw runFailure(refusal);
}
