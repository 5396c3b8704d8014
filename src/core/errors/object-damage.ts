import type { ErrorCode } from './error-table.ts';

const OBJECT_DAMAGE: ReadonlySet<string> = new Set<ErrorCode>(['damaged-object', 'missing-object', 'truncated-object']);

/** Whether a failure's code says that an object of the repository is not what it has to be: gone, cut short, or other bytes. */
export function isObjectDamage(code: string | null | undefined): boolean {
  return OBJECT_DAMAGE.has(code ?? '');
}

const SAYS_NOTHING: ReadonlySet<string> = new Set<ErrorCode>(['server-program-missing', 'invalid-config', 'comparison-unfinished']);

/** Whether a failed recovery test is worth remembering: a setting that is missing was no test. */
export function isTestOutcome(code: string | null | undefined): boolean {
  return !SAYS_NOTHING.has(code ?? '');
}

/** Whether one object can't be used: it is damaged, or was written in a form that this version doesn't know. */
export function isUnreadable(code: string | null | undefined): boolean {
  return isObjectDamage(code) || code === 'format-unsupported';
}

/** Whether a failure is a verdict on a backup: one that could not be read, or not be booted, is not a bad one for that. */
export function isVerdictOnBackup(code: string | null | undefined): boolean {
  return isObjectDamage(code) || code === 'digest-different';
}
