import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { UnitConfig } from '../../worker/unit-facts.ts';
import { systemdUnit } from '../systemd-unit.ts';

/** Of this file in the sources and in a build alike. */
const LAUNCHER = fileURLToPath(new URL('../../../bin/rstow', import.meta.url));

/** A systemd unit that runs rstow with these arguments; `config` is what they choose, where there is one. */
export async function printUnit(args: readonly string[], config: UnitConfig | undefined, searchPath: string): Promise<void> {
  const { unitFacts } = await import('../../worker/unit-facts.ts');
  const facts = config === undefined ? undefined : await unitFacts(config);
  process.stdout.write(systemdUnit({ program: LAUNCHER, args, path: searchPath, facts }));
}

export function configFileArgs(file: string | undefined): string[] {
  return file === undefined ? [] : ['--config', resolve(file)];
}
