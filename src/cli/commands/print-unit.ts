import { resolve } from 'node:path';
import { systemdUnit } from '../systemd-unit.ts';

/** Of this file in the sources and in a build alike. */
const LAUNCHER = new URL('../../../bin/rstow', import.meta.url).pathname;

/** A systemd unit that runs rstow with these arguments. */
export function printUnit(args: readonly string[], searchPath: string): void {
  process.stdout.write(systemdUnit({ program: LAUNCHER, args, path: searchPath }));
}

export function configFileArgs(file: string | undefined): string[] {
  return file === undefined ? [] : ['--config', resolve(file)];
}
