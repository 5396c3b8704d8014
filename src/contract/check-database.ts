import type { Finding, Severity } from '../core/protection/finding.ts';
import { commonFields, inputParser, type Parsed } from './input-field.ts';
import type { CommonResult, Warning } from './result.ts';

const fields = { ...commonFields };

/** What a restart would lose now, what is late, and what may go wrong. */
export type CheckDatabaseInput = Parsed<typeof fields>;

export const parseCheckDatabaseInput = inputParser('checkDatabase', fields);

export type CheckDatabaseResult = CommonResult & {
  /** Of the heaviest finding. */
  severity: Severity;
  /** The heaviest first; those that are well, too. */
  findings: Finding[];
};

/** The warnings of a check: whatever is not well. */
export function findingWarnings(findings: readonly Finding[]): Warning[] {
  return findings.filter(({ severity }) => severity !== 'ok').map((finding) => ({ code: finding.code, message: findingMessage(finding) }));
}

export function findingMessage({ sentence, hint }: Pick<Finding, 'sentence' | 'hint'>): string {
  return hint === undefined ? sentence : `${sentence}: ${hint}`;
}
