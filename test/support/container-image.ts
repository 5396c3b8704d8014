/** An image with nothing in it but the rstmdb of this machine, in a podman that works here. */
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { toolPath } from './tools.ts';

const run = promisify(execFile);

export type ContainerImage = { engine: 'podman'; image: string; options: string[] };

const IMAGE = 'localhost/rstow-test-rstmdb:0.3.0';

const TRIAL = `rstow-trial-${process.pid}`;

/** A machine that is a container itself mostly allows fewer limits and an older runtime only. */
const OPTIONS = [[], ['--ulimit', 'nofile=1024:1024', '--ulimit', 'nproc=1024:1024']].flatMap((limits) => [
  limits,
  [...limits, '--runtime', 'runc'],
]);

/** Undefined where no podman runs a container here. */
export async function containerImage(): Promise<ContainerImage | undefined> {
  try {
    await run('podman', ['--version']);
  } catch {
    return undefined;
  }
  // Each import would leave the one before behind, without a name.
  await run('podman', ['image', 'exists', IMAGE]).catch(importImage);
  for (const options of OPTIONS) {
    try {
      await run('podman', ['run', '--detach', '--name', TRIAL, ...options, IMAGE]);
      return { engine: 'podman', image: IMAGE, options };
    } catch {
      // The next options may do.
    } finally {
      await run('podman', ['rm', '--force', '--time', '0', TRIAL]);
    }
  }
  return undefined;
}

export async function containersNow(): Promise<string[]> {
  const { stdout } = await run('podman', ['ps', '--all', '--format', '{{.Names}}']);
  return stdout.split('\n').filter((name) => name.startsWith('rstow-'));
}

async function importImage(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'rstow-image-'));
  try {
    const root = join(folder, 'root');
    await mkdir(join(root, 'data'), { recursive: true });
    const program = toolPath('rstmdb');
    await cp(program, join(root, 'rstmdb'), { dereference: true });
    for (const library of await librariesOf(program)) {
      await mkdir(join(root, dirname(library)), { recursive: true });
      await cp(library, join(root, library), { dereference: true });
    }
    const archive = join(folder, 'image.tar');
    await run('tar', ['--create', '--file', archive, '--directory', root, '.']);
    await run('podman', ['import', '--change', 'ENTRYPOINT ["/rstmdb"]', archive, IMAGE]);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function librariesOf(program: string): Promise<string[]> {
  const { stdout } = await run('ldd', [program]);
  return [...stdout.matchAll(/(\/\S+) \(0x/g)].map(([, path]) => path as string);
}
