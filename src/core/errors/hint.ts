import { type ErrorCode, errorRow } from './error-table.ts';

/** JSON that may cross Temporal: facts for a person or a program, never a secret. */
export type ErrorDetails = Record<string, string | number | boolean | null | string[]>;

/** What a hint calls a detail that the failure doesn't have. */
const PLACEHOLDERS: Record<string, string> = { holder: 'workflow-id', label: 'label' };

/**
 * What a person does about a failure. The table's `{database}` is the failure's own detail of that name, so that the
 * command can be typed as it stands; without one it is `<database>`.
 */
export function hintOf(code: ErrorCode, details: ErrorDetails = {}): string {
  return errorRow(code).hint.replaceAll(/\{([a-zA-Z]+)\}/g, (_match, name: string) => {
    const value = details[name];
    return typeof value === 'string' || typeof value === 'number' ? String(value) : `<${PLACEHOLDERS[name] ?? name}>`;
  });
}
