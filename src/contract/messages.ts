import { bytesPerSecondField, pausedByField } from './archive-wal.ts';
import { RstowError } from '../core/errors/rstow-error.ts';
import { type Field, integerField, objectField, optional, type Parsed, textField } from './input-field.ts';
import type { Signature, Statement } from '../core/authority/statement.ts';

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

/** Updates of a running archive: nothing is stored until it is resumed; what grows meanwhile is stored then. */
export const PAUSE_UPDATE = 'pause';
export const RESUME_UPDATE = 'resume';
/** Update: stores what has come until now, and answers how far the log is stored. It works while the archive is paused, too. */
export const ARCHIVE_NOW_UPDATE = 'archiveNow';
/** Update: how much is stored in a second at most. */
export const SET_BANDWIDTH_UPDATE = 'setBandwidth';
/** Answers how an archive is wanted now: who has paused it, and how many bytes a second it stores at most. */
export const WANTED_QUERY = 'wanted';

/** Who needs the lock. */
export type GiveWay = { workflowId: string; type: string };

/** A run's memo: the signature of its start. */
export const SIGNATURE_MEMO = 'rstowSignature';

/** An operator's private key, as its holder has it. */
export type Signer = { sign(statement: Statement, nowMs: number): Signature };

export const signatureField: Field<Signature> = objectField({
  keyId: textField(64),
  signedAtMs: integerField(0, Number.MAX_SAFE_INTEGER),
  nonce: textField(36),
  value: textField(128),
});

/** Fails: invalid-input. */
export const parseSignature = (value: unknown): Signature => signatureField(value, 'signature');

const approvalFields = {
  /** The hash that the run shows: an approval is of one plan only. */
  planHash: textField(64),
  /** Who approves: another person than the one who asked. Where the agent's config names operators the signature counts, and not this name. */
  by: textField(200),
  /** By an operator, of this run and this hash. */
  signature: optional(signatureField),
};
const denialFields = { by: textField(200), reason: textField(1000) };

export type Approval = Parsed<typeof approvalFields>;
export type Denial = Parsed<typeof denialFields>;

/** Fails: invalid-input. */
export const parseApproval = (value: unknown): Approval => objectField(approvalFields)(value, '');
export const parseDenial = (value: unknown): Denial => objectField(denialFields)(value, '');

const pauseFields = { by: pausedByField };
/** `bytesPerSecond` absent: as the config says. */
const bandwidthFields = { bytesPerSecond: optional(bytesPerSecondField) };

export type Pause = Parsed<typeof pauseFields>;
export type Bandwidth = Parsed<typeof bandwidthFields>;

/** Fails: invalid-input. */
export const parsePause = (value: unknown): Pause => objectField(pauseFields)(value, '');
export const parseBandwidth = (value: unknown): Bandwidth => objectField(bandwidthFields)(value, '');

/** Why an approval doesn't count; undefined where it does. */
export function approvalRefusal(
  given: Approval,
  wanted: { hash: string; what: 'plan' | 'request'; requestedBy?: string },
): RstowError | undefined {
  if (given.planHash !== wanted.hash) {
    return new RstowError('approval-denied', `the run waits for the approval of ${wanted.what} ${wanted.hash}, not of ${given.planHash}`);
  }
  return given.by === wanted.requestedBy ? hasSignedAlready(given.by) : undefined;
}

/** Two persons have to agree. */
export function hasSignedAlready(name: string): RstowError {
  return new RstowError('approval-denied', `"${name}" asked for this run, or has approved it already, so another person has to approve it`);
}
