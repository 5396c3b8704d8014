import { booleanField, commonFields, inputParser, optional, type Parsed } from './input-field.ts';
import { instanceField, recoveryTargetField, timelineField } from './recovery-target.ts';
import type { CommonResult } from './result.ts';

const fields = {
  ...commonFields,
  /** Its id. */
  instance: instanceField,
  /** The point: an object with one of `latest`, `offset`, `sequence`, `time`, `name`, `before`, `after`. */
  target: recoveryTargetField,
  /** A history that the database has had, such as `0001`; the one in use where absent. A named point has its own. */
  timeline: optional(timelineField),
  /** Ends after the plan: nothing is written but the plan itself. */
  dryRun: optional(booleanField),
};

/** One instance back into its running server, as it was at a point of a stored history. */
export type RecoverInstanceInput = Parsed<typeof fields>;

export const parseRecoverInstanceInput = inputParser('recoverInstance', fields);

/** All of an instance at a point but what it holds: its context stays in the repository, and goes to the server alone. */
export type InstanceSummary = {
  instance: string;
  machine: string;
  version: number;
  state: string;
  /** Of its context, as JSON without white space and with sorted keys. */
  ctxSha256: string;
  /** So many events follow its creation, and are applied again. */
  events: number;
  /** Where the record begins that has created it, in decimal. */
  createdAt: string;
  repository: string;
  /** The backup whose log has the point. */
  label: string;
  timeline: string;
  /** The first offset that doesn't count, in decimal. */
  end: string;
  /** Whether the server lacks the machine’s version, so that it is put first. */
  putsMachine: boolean;
  planKey: string;
  planHash: string;
};

export type RecoverInstanceResult = CommonResult &
  Partial<InstanceSummary> & {
    dryRun?: boolean | undefined;
    /** Where its newest record begins in the server’s log, in decimal. */
    lastOffset?: string | undefined;
    durationMs?: number;
  };
