/** Runs the cases of lvm-guest.ts in a kernel of their own. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { lackForHosts } from './root-file-system.ts';
import type { LvmCase, LvmOutcome } from './lvm-guest.ts';
import { startGuest } from './user-mode-linux.ts';

/** No udev there, and nothing to remember from one boot to the next. */
const LVM_CONF = `devices { use_devicesfile=0 }
backup { backup=0 archive=0 }
activation { udev_sync=0 udev_rules=0 }
global { locking_dir="/run/lock/lvm" }
`;

export const lackForLvm = (): string | undefined => lackForHosts('linux.uml', 'insmod', 'lvcreate', 'mkfs.ext4', 'mkfs.xfs');

export type LvmRun = { outcomes: Map<LvmCase, LvmOutcome>; output: string; durationMs: number };

export async function runLvmCases({ kills, timeoutMs }: { kills: number; timeoutMs: number }): Promise<LvmRun> {
  const startedAtMs = performance.now();
  const guest = await startGuest({
    command: (folder) => {
      const program = fileURLToPath(new URL('lvm-guest.ts', import.meta.url));
      return [process.execPath, '--disable-warning=ExperimentalWarning', program, join(folder, 'results')];
    },
    env: (folder) => ({ LVM_SYSTEM_DIR: folder, LVM_SUPPRESS_FD_WARNINGS: '1', KILLS: String(kills) }),
    prepare: (folder) => writeFile(join(folder, 'lvm.conf'), LVM_CONF),
    memoryMb: 1024,
    disksMb: [1024],
    modules: ['drivers/md/dm-mod', 'drivers/md/dm-bufio', 'drivers/md/dm-snapshot'],
    timeoutMs,
  });
  try {
    const { exitCode, output } = await guest.ended;
    const lines = (await readFile(join(guest.folder, 'results'), 'utf8').catch(() => '')).split('\n').filter((line) => line !== '');
    const outcomes = lines.map((line) => JSON.parse(line) as LvmOutcome);
    const said = exitCode === 0 ? output : `${output}\nthe guest ended with ${String(exitCode)}`;
    return {
      outcomes: new Map(outcomes.map((outcome) => [outcome.case, outcome])),
      output: said,
      durationMs: performance.now() - startedAtMs,
    };
  } finally {
    await guest.remove();
  }
}
