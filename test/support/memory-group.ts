/** A control group that leaves a process little memory: what a container or a systemd unit with a limit does. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, mkdir, readFile, rmdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

export type MemoryGroup = {
  /** Moves the process in. What it has already stays charged to where it was. */
  take: (pid: number) => Promise<void>;
  /** Lets everybody out and removes the group. */
  remove: () => Promise<void>;
};

const ROOTS = [
  { root: '/sys/fs/cgroup/memory', limit: 'memory.limit_in_bytes', usage: 'memory.usage_in_bytes' },
  { root: '/sys/fs/cgroup', limit: 'memory.max', usage: 'memory.current' },
];

const BALLAST = 'const held = Buffer.alloc(Number(process.argv[1]), 1); console.log("held"); setInterval(() => held, 1000)';

const HELD_BYTES = 128 * 1024 * 1024;
const LIMIT_BYTES_MAX = 1024 * 1024 * 1024;

/** Somebody else in it holds much, and `freeBytes` are left. Undefined where no such group can be made here. */
export async function makeMemoryGroup(freeBytes: number): Promise<MemoryGroup | undefined> {
  for (const { root, limit, usage } of ROOTS) {
    const folder = join(root, `rstow-test-${process.pid}`);
    try {
      await access(join(root, 'cgroup.procs'));
      await mkdir(folder);
      await writeFile(join(folder, limit), String(LIMIT_BYTES_MAX));
    } catch {
      await rmdir(folder).catch(() => undefined);
      continue;
    }
    const move = (pid: number, into: string): Promise<void> => writeFile(join(into, 'cgroup.procs'), String(pid));
    const ballast = await holdMemory(HELD_BYTES, (pid) => move(pid, folder));
    await writeFile(join(folder, limit), String(Number(await readFile(join(folder, usage), 'utf8')) + freeBytes));
    return {
      take: (pid) => move(pid, folder),
      remove: async () => {
        ballast.kill('SIGKILL');
        for (const pid of (await readFile(join(folder, 'cgroup.procs'), 'utf8')).split('\n').filter((line) => line !== '')) {
          await move(Number(pid), root).catch(() => undefined);
        }
        await removeEmpty(folder);
      },
    };
  }
  return undefined;
}

async function holdMemory(sizeBytes: number, place: (pid: number) => Promise<void>): Promise<ChildProcess> {
  // It waits for a line, so that all that it allocates is charged to the group.
  const script = `process.stdin.once('data', () => { ${BALLAST} })`;
  const child = spawn(process.execPath, ['-e', script, '--', String(sizeBytes)], { stdio: ['pipe', 'pipe', 'ignore'] });
  await place(child.pid ?? 0);
  child.stdin.write('go\n');
  await once(child.stdout, 'data');
  return child;
}

async function removeEmpty(folder: string): Promise<void> {
  for (let tried = 0; ; tried += 1) {
    try {
      await rmdir(folder);
      return;
    } catch (error) {
      if (tried === 50) throw error;
      await sleep(100);
    }
  }
}
