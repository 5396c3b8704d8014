/** In the order of their weight: what nobody can say may hide what is critical, and is never ok. */
export const SEVERITIES = ['ok', 'warning', 'unknown', 'critical'] as const;
export type Severity = (typeof SEVERITIES)[number];

/** One thing that was checked, and what came of it. */
export type Finding = {
  /** What is wrong, or what is well; monitoring may rely on it. */
  code: string;
  severity: Severity;
  sentence: string;
  /** What an operator does about it; absent if there is nothing to do. */
  hint?: string | undefined;
  /** Numbers with their units as the ends of their names: `…Ms`, `…Bytes`; others are counts. */
  figures?: Record<string, number> | undefined;
};

/** `ok` of nothing at all: whoever checks finds something. */
export function worstOf(findings: readonly Pick<Finding, 'severity'>[]): Severity {
  const weights = findings.map(({ severity }) => SEVERITIES.indexOf(severity));
  return SEVERITIES[Math.max(0, ...weights)] ?? 'ok';
}

/** The heaviest first, otherwise in their own order. */
export function byWeight(findings: readonly Finding[]): Finding[] {
  return findings.toSorted((one, other) => SEVERITIES.indexOf(other.severity) - SEVERITIES.indexOf(one.severity));
}
