/**
 * A host with a real systemd as PID 1: a container of systemd-nspawn over the cached Debian. It has the machine's network and, under
 * the same paths, this checkout with its tools (read-only) and the folder that the test gives it. Its processes are also ours to see.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdir, readFile, realpath, rm, writeFile } from 'node:fs/promises';
import { basename, delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { rootFileSystem } from './root-file-system.ts';
import { type ProgramEnd, runProgram } from './run-program.ts';
import { waitUntil } from './wait-until.ts';

export const SYSTEMD_HOST_NEEDS = ['mmdebstrap', 'systemd-nspawn', 'nsenter'] as const;
export const SYSTEMD_HOST_PACKAGES = ['systemd-sysv', 'dbus', 'polkitd', 'procps', 'iproute2'];

const CHECKOUT = fileURLToPath(new URL('../..', import.meta.url));
const BOOT_TIMEOUT_MS = 90_000;

export type SystemdHost = {
  /** Runs a program there, as root and outside of all units. */
  run: (command: readonly string[], options?: { timeoutMs?: number }) => Promise<ProgramEnd>;
  /** The same; what ends with anything but 0 fails the test. Gives what it wrote. */
  must: (...command: string[]) => Promise<string>;
  /** Writes a file of that system. */
  write: (path: string, text: string) => Promise<void>;
  /** All of it dies at once, and the disk stays. */
  loseCurrent: () => Promise<void>;
  boot: () => Promise<void>;
  /** Ends it. The folder stays the caller's. */
  remove: () => Promise<void>;
};

/** The folder is seen there under its own path; others that hold what its programs read may be named. */
export async function bootSystemdHost(folder: string, readOnly: readonly string[] = []): Promise<SystemdHost> {
  const lower = await rootFileSystem({ packages: SYSTEMD_HOST_PACKAGES });
  const system = `${folder}-system`;
  for (const part of ['upper/etc/systemd/system', 'work', 'root']) await mkdir(join(system, part), { recursive: true });
  const binds = [...new Set([CHECKOUT, ...(await toolFolders()), ...readOnly])];
  const group = `/sys/fs/cgroup/${basename(folder)}`;
  let nspawn: ChildProcess | undefined;
  let init = 0;

  const end = async (): Promise<void> => {
    if (nspawn === undefined || nspawn.exitCode !== null || nspawn.signalCode !== null) return;
    const ended = once(nspawn, 'exit');
    // The kernel ends all others of its process namespace with it.
    if (init > 0) process.kill(init, 'SIGKILL');
    else nspawn.kill('SIGKILL');
    await ended;
  };
  const host: SystemdHost = {
    run: (command, options) => runProgram('nsenter', [...enter(init), ...command], options),
    must: async (...command) => {
      const { exitCode, stdout, stderr } = await host.run(command);
      if (exitCode !== 0) throw new Error(`${command.join(' ')} ended with ${exitCode}: ${stdout}${stderr}`);
      return stdout;
    },
    write: async (path, text) => {
      await host.must('mkdir', '-p', dirname(path));
      await host.must('sh', '-c', 'printf %s "$1" >"$2"', 'sh', text, path);
    },
    loseCurrent: end,
    boot: async () => {
      const console = join(system, 'console.log');
      const script = startScript({ lower, system, group, folder, binds });
      const inside = ['unshare', '--mount', '--propagation', 'private', 'sh', '-euc', `exec >${console} 2>&1; ${script}`];
      // It ends with us, however we end.
      nspawn = spawn('setpriv', ['--pdeathsig', 'KILL', ...inside], { stdio: 'ignore' });
      const started = nspawn;
      await waitUntil(
        `it is booted (${console})`,
        async () => {
          if (started.exitCode !== null) throw new Error(`nspawn ended: ${await readFile(console, 'utf8')}`);
          init = initOf(started.pid ?? 0);
          return init > 0 && /running|degraded/.test((await host.run(['systemctl', 'is-system-running'])).stdout);
        },
        BOOT_TIMEOUT_MS,
      );
    },
    remove: async () => {
      await end();
      await runProgram('unshare', ['--mount', '--propagation', 'private', 'sh', '-c', removeGroupScript(group)]);
      await rm(system, { recursive: true, force: true });
    },
  };
  await writeFile(join(system, 'upper/etc/hostname'), 'db1\n');
  try {
    await host.boot();
    return host;
  } catch (error) {
    await host.remove();
    throw error;
  }
}

/** Of what PATH leads to, and where the links of the checkout lead. */
async function toolFolders(): Promise<string[]> {
  const links = ['.tools', 'node_modules'].map((name) => realpath(join(CHECKOUT, name)));
  return [...(await Promise.all(links)), dirname(await realpath(process.execPath))];
}

/** Control groups of its own, as the machine's may be of another version; what is below them is the container's. */
const GROUP_MOUNT = 'umount -R /sys/fs/cgroup; mount -t cgroup2 none /sys/fs/cgroup';

type StartParts = { lower: string; system: string; group: string; folder: string; binds: readonly string[] };

function startScript({ lower, system, group, folder, binds }: StartParts): string {
  const layers = `lowerdir=${lower},upperdir=${system}/upper,workdir=${system}/work`;
  return `${GROUP_MOUNT}
mkdir -p ${group}
echo $$ >${group}/cgroup.procs
mount -t overlay overlay -o ${layers} ${system}/root
exec systemd-nspawn --quiet -D ${system}/root --register=no --keep-unit --bind=${folder} ${binds.map((path) => `--bind-ro=${path}`).join(' ')} -b`;
}

function removeGroupScript(group: string): string {
  return `${GROUP_MOUNT}; find ${group} -depth -type d -exec rmdir {} +`;
}

/** The process that is number 1 of a process namespace below that of nspawn. */
function initOf(nspawn: number): number {
  try {
    const children = readFileSync(`/proc/${nspawn}/task/${nspawn}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number);
    return children.find((pid) => /^NSpid:.*\t1$/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))) ?? 0;
  } catch {
    return 0;
  }
}

function enter(init: number): string[] {
  const path = [dirname(process.execPath), ...(process.env['PATH'] ?? '').split(delimiter)].join(delimiter);
  const target = ['--target', String(init), '--mount', '--uts', '--ipc', '--pid', '--cgroup', '--root'];
  return [...target, 'env', '--chdir=/', '-i', `PATH=${path}`, 'HOME=/root', 'LC_ALL=C.UTF-8'];
}
