import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { UnitConfig } from '../../up/unit-facts.ts';
import { systemdUnit } from '../systemd-unit.ts';
import { unitPath } from '../unit-path.ts';

/** What rstow itself starts, and the server’s usual name. */
const OWN_PROGRAMS = ['node', 'temporal', 'rstmdb'];

/** Of this file in the sources and in a build alike. */
const LAUNCHER = fileURLToPath(new URL('../../../bin/rstow', import.meta.url));

/** A systemd unit that runs rstow with these arguments; `config` is what they choose, where there is one. */
export async function printUnit(args: readonly string[], config: UnitConfig | undefined, searchPath: string): Promise<void> {
  const { unitFacts } = await import('../../up/unit-facts.ts');
  const facts = config === undefined ? undefined : await unitFacts(config);
  const path = await unitPath(searchPath, [...OWN_PROGRAMS, ...(facts?.programs ?? [])]);
  process.stdout.write(systemdUnit({ program: LAUNCHER, args, path, facts }));
}

export function configFileArgs(file: string | undefined): string[] {
  return file === undefined ? [] : ['--config', resolve(file)];
}
