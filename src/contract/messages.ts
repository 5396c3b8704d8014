import { objectField, type Parsed, textField } from './input-field.ts';
import { RstowError } from '../core/errors/rstow-error.ts';

/** Messages to a running workflow, by the names that other services use. */

/** Update: lets a run that waits for approval go on. */
export const APPROVE_UPDATE = 'approve';
/** Update: ends a run that waits for approval. */
export const DENY_UPDATE = 'deny';
/** Signal, usually with start: asks for a recovery; takes the same object as the workflow's input. */
export const REQUEST_RECOVERY_SIGNAL = 'requestRecovery';
/** Signal: ends a recovery as a cancellation does, from any client that can signal. */
export const ABORT_SIGNAL = 'abort';
/** Signal to a backup that holds the database's lock, from a restore or a recovery that needs it. */
export const GIVE_WAY_SIGNAL = 'giveWay';

/** Who needs the lock. */
export type GiveWay = { workflowId: string; type: string };

const approvalFields = {
  /** The hash that the run shows: an approval is of one plan only. */
  planHash: textField(64),
  /** Who approves: another person than the one who asked. A name for the record, not an access control. */
  by: textField(200),
};
const denialFields = { by: textField(200), reason: textField(1000) };

export type Approval = Parsed<typeof approvalFields>;
export type Denial = Parsed<typeof denialFields>;

/** Fails: invalid-input. */
export const parseApproval = (value: unknown): Approval => objectField(approvalFields)(value, '');
export const parseDenial = (value: unknown): Denial => objectField(denialFields)(value, '');

/** Why an approval doesn't count; undefined where it does. */
export function approvalRefusal(given: Approval, wanted: { planHash: string; requestedBy?: string }): RstowError | undefined {
  if (given.planHash !== wanted.planHash) {
    return new RstowError('approval-denied', `the run waits for the approval of plan ${wanted.planHash}, not of ${given.planHash}`);
  }
  if (given.by !== wanted.requestedBy) return undefined;
  return new RstowError('approval-denied', `"${given.by}" asked for this run, so another person has to approve it`);
}
