/** Programs that scripts/host-tools.sh builds; tests that need one are skipped without it. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export type BuiltToolName = 'versitygw' | 'toxiproxy-server';

const FOLDER = new URL('../../.tools/bin/', import.meta.url);

export function builtTool(name: BuiltToolName): string {
  return fileURLToPath(new URL(name, FOLDER));
}

/** What to put behind the name of a suite that needs them; undefined if all are there. */
export function lackOf(...names: readonly BuiltToolName[]): string | undefined {
  const lacking = names.filter((name) => !existsSync(builtTool(name)));
  return lacking.length === 0 ? undefined : ` (needs ${lacking.join(' and ')}; scripts/host-tools.sh)`;
}
