import type { ExtentsSummary } from '../core/backup/segment-plan.ts';
import type { ServedBytes } from './copy-backups.ts';
import {
  commonFields,
  inputParser,
  integerField,
  jsonField,
  jsonPathField,
  listField,
  nameField,
  objectField,
  optional,
  type Parsed,
  textField,
} from './input-field.ts';
import type { CommonResult } from './result.ts';

const ASSERTIONS_MAX = 100;
const count = integerField(0, Number.MAX_SAFE_INTEGER);
const text = textField(512);

const assertions = objectField({
  /** How many instances of a machine, in one state or in all. */
  counts: optional(
    listField(objectField({ machine: text, state: optional(text), min: optional(count), max: optional(count) }), ASSERTIONS_MAX),
  ),
  /** What one instance must show: its state, or the value at a path such as `items[0].sku` of its context. */
  instances: optional(
    listField(
      objectField({ id: text, state: optional(text), path: optional(jsonPathField(512)), equals: optional(jsonField) }),
      ASSERTIONS_MAX,
    ),
  ),
});

const fields = {
  ...commonFields,
  /** `latest`, `random`, a label, or a label's unique beginning; `latest` where absent. */
  backup: optional(textField(80)),
  /** Decides what `random` chooses; recorded in the result, so that a choice can be made again. */
  seed: optional(integerField(0, 2 ** 32 - 1)),
  /** Where the test runs; any agent that reaches the repository where absent. */
  agent: optional(nameField),
  /** What the operator knows of the data. */
  assertions: optional(assertions),
};

/** Proves a backup on a real server in a scratch place; production is not touched. */
export type TestRecoveryInput = Parsed<typeof fields>;
export type Assertions = Parsed<typeof fields>['assertions'];
export type CountAssertion = NonNullable<NonNullable<Assertions>['counts']>[number];
export type InstanceAssertion = NonNullable<NonNullable<Assertions>['instances']>[number];

export const parseTestRecoveryInput = inputParser('testRecovery', fields);

/** How long each part of the recovery took. */
export type RecoveryPhases = { fetchMs: number; replayMs: number; startMs: number; compareMs: number; writeMs: number; restartsMs: number };

export type TestRecoveryResult = CommonResult & {
  label: string;
  repository: string;
  agent: string;
  /** Present where the point was chosen by `random`. */
  seed?: number | undefined;
  /** Up to where the log was recovered: the backup's end, or the random point. */
  extents: ExtentsSummary;
  stateDigest: string;
  machines: number;
  instances: number;
  /** Of a database with several repositories: how much of the log each has given. */
  served?: ServedBytes[] | undefined;
  assertionsHeld: number;
  /** What a recovery would take: fetch, replay and the server's start. */
  rtoMs: number;
  phases: RecoveryPhases;
  durationMs: number;
};
