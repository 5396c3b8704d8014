/** Where the real programs are that tests run. */
import { accessSync, constants } from 'node:fs';
import { delimiter, join, resolve } from 'node:path';

export type ToolName = 'rstmdb' | 'rstmdb-cli' | 'temporal' | 'openssl';

const HOW_TO_GET: Record<ToolName, string> = {
  rstmdb: 'cargo install rstmdb --version 0.3.0 --locked',
  'rstmdb-cli': 'cargo install rstmdb-cli --version 0.3.0 --locked',
  temporal: 'https://docs.temporal.io/cli',
  openssl: 'the openssl package of your system',
};

/** The tool's absolute path, found on PATH; a test that needs it fails with the way to get it. */
export function toolPath(name: ToolName): string {
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    const path = resolve(join(folder, name));
    if (folder !== '' && isExecutable(path)) return path;
  }
  throw new Error(`${name} is not on PATH, and this test runs the real one; to get it: ${HOW_TO_GET[name]}`);
}

type HostTool =
  'age' | 'gpg' | 'zstd' | 'promtool' | 'amtool' | 'prometheus' | 'prometheus-alertmanager' | 'systemd-analyze' | 'docker-compose';

/** What a test's name says that it lacks, if a program is missing which `scripts/host-tools.sh` installs; empty if it is there. */
export function lackOf(program: HostTool): string {
  const folders = (process.env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '');
  return folders.some((folder) => isExecutable(resolve(join(folder, program)))) ? '' : ` (needs ${program}; scripts/host-tools.sh)`;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
