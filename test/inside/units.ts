/** Units of the host that a test runs on. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';

export const isSystemdHost = readFileSync('/proc/1/comm', 'utf8').trim() === 'systemd';

const ETC = '/etc/systemd/system';
const files = new Set<string>();

type Unit = {
  /** Gives it its name. */
  folder: string;
  command: readonly string[];
  env: Readonly<Record<string, string>>;
  /** More of its section [Service]. */
  lines?: readonly string[];
  unitFolder?: string;
};

export function systemctl(...args: string[]): string {
  return execFileSync('systemctl', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

/** Until `removeUnits`. Gives its name. */
export async function installUnit({ folder, command, env, lines = [], unitFolder = ETC }: Unit): Promise<string> {
  const unit = `${basename(folder)}.service`;
  const settings = Object.entries(env).map(([name, value]) => `Environment="${name}=${value}"`);
  await mkdir(unitFolder, { recursive: true });
  await writeFile(join(unitFolder, unit), ['[Service]', `ExecStart=${command.join(' ')}`, ...settings, ...lines, ''].join('\n'));
  systemctl('daemon-reload');
  files.add(join(unitFolder, unit));
  return unit;
}

export async function removeUnits(): Promise<void> {
  for (const file of files) {
    systemctl('stop', basename(file));
    await rm(file, { force: true });
    await rm(`${file}.d`, { recursive: true, force: true });
  }
  files.clear();
}
