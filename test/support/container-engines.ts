/**
 * Container engines for tests: a docker daemon of a test's own, and podman, in a mount namespace with control groups of its own
 * where the machine, itself a container, lets none of its own be used.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { readMounts } from '../../src/io/files/mounts.ts';
import type { ContainerEngine } from '../../src/io/service/container-engine.ts';
import { lackForHosts } from './root-file-system.ts';
import { toolPath } from './tools.ts';
import { waitUntil } from './wait-until.ts';

const run = promisify(execFile);

export type EngineUnderTest = {
  engine: ContainerEngine;
  /** Of nothing but this machine's rstmdb. */
  image: string;
  /** What the engine prints on stdout. */
  command: (...argv: string[]) => Promise<string>;
  /** Ends the engine by SIGKILL and starts it anew, as after a boot of its host; podman has no daemon. */
  restart: () => Promise<void>;
  close: () => Promise<void>;
};

/** What a skipped suite's name ends with; undefined if both engines can be had. */
export const lackForContainers = lackForHosts('dockerd', 'podman', 'nsenter');

const IMAGE = 'localhost/rstow-test-rstmdb:0.3.0';

/** From now on `docker` or `podman` of this process, and of whatever it starts, is the one of this test. */
export async function openEngine(engine: ContainerEngine): Promise<EngineUnderTest> {
  const folder = await mkdtemp(join(tmpdir(), `rstow-${engine}-`));
  const { end, restart } = engine === 'docker' ? await openDocker(folder) : await openPodman(folder);
  const command = async (...argv: string[]): Promise<string> => (await run(engine, argv)).stdout.trim();
  await command('import', '--change', 'ENTRYPOINT ["/rstmdb"]', await imageArchive(folder), IMAGE);
  return {
    engine,
    image: IMAGE,
    command,
    restart,
    close: async () => {
      const containers = (await command('ps', '--all', '--quiet')).split('\n').filter((id) => id !== '');
      const atOnce = engine === 'podman' ? ['--time', '0'] : [];
      if (containers.length > 0) await command('rm', '--force', ...atOnce, ...containers);
      await end();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

type Opened = { end: () => Promise<void>; restart: () => Promise<void> };

/** Containers share the host's network: this daemon makes no bridge and no firewall rule. */
async function openDocker(folder: string): Promise<Opened> {
  const socket = join(folder, 'docker.sock');
  const places = ['--data-root', join(folder, 'data'), '--exec-root', join(folder, 'exec'), '--pidfile', join(folder, 'pid')];
  const network = ['--bridge=none', '--iptables=false', '--ip6tables=false'];
  const options = [...places, ...network, '--storage-driver=vfs', '--host', `unix://${socket}`, '--log-level=error'];
  const start = async (): Promise<ChildProcess> => {
    for (;;) {
      const daemon = spawn('dockerd', options, { stdio: 'ignore', env: withSystemFolders() });
      process.once('exit', () => daemon.kill('SIGKILL'));
      const answers = (): Promise<boolean> => run('docker', ['version']).then(Boolean, () => false);
      await waitUntil('the docker daemon answers, or has ended', async () => daemon.exitCode !== null || (await answers()));
      // Right after another was killed, whose containerd is about to end as well.
      if (daemon.exitCode === null) return daemon;
    }
  };
  const end = async (daemon: ChildProcess, signal: NodeJS.Signals): Promise<void> => {
    const ended = once(daemon, 'exit');
    daemon.kill(signal);
    await ended;
  };
  process.env['DOCKER_HOST'] = `unix://${socket}`;
  let daemon = await start();
  return {
    end: async () => {
      await end(daemon, 'SIGTERM');
      // It leaves its network namespace mounted; one that was killed, its data as well.
      const left = (await readMounts()).filter(({ mountPoint }) => mountPoint.startsWith(`${folder}/`));
      for (const { mountPoint } of left.reverse()) await run('umount', ['--lazy', mountPoint]);
    },
    restart: async () => {
      await end(daemon, 'SIGKILL');
      daemon = await start();
    },
  };
}

function withSystemFolders(): NodeJS.ProcessEnv {
  return { ...process.env, PATH: [process.env['PATH'], '/usr/sbin', '/sbin'].join(delimiter) };
}

const CONTAINERS_CONF = `[containers]
cgroups = "disabled"
netns = "host"
default_ulimits = ["nofile=8192:8192", "nproc=8192:8192"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
`;

/** What keeps the mount namespace: the machine's own may show control groups in a way that crun takes for none. */
const HOLDER = 'umount -R /sys/fs/cgroup && mount -t cgroup2 none /sys/fs/cgroup && echo ready && exec sleep infinity';

async function openPodman(folder: string): Promise<Opened> {
  const storage = `[storage]\ndriver = "vfs"\nrunroot = "${join(folder, 'run')}"\ngraphroot = "${join(folder, 'graph')}"\n`;
  const holder = spawn('unshare', ['--mount', '--propagation', 'slave', 'sh', '-c', HOLDER], { stdio: ['ignore', 'pipe', 'inherit'] });
  process.once('exit', () => holder.kill('SIGKILL'));
  await once(holder.stdout, 'data');
  const { stdout: program } = await run('which', ['podman']);
  const bin = join(folder, 'bin');
  await mkdir(bin);
  await writeFile(join(folder, 'containers.conf'), CONTAINERS_CONF);
  await writeFile(join(folder, 'storage.conf'), storage);
  const script = [
    '#!/bin/sh',
    `export CONTAINERS_CONF=${join(folder, 'containers.conf')} CONTAINERS_STORAGE_CONF=${join(folder, 'storage.conf')}`,
    `exec nsenter --mount=/proc/${holder.pid ?? 0}/ns/mnt ${program.trim()} --tmpdir ${join(folder, 'tmp')} "$@"`,
  ];
  await writeFile(join(bin, 'podman'), `${script.join('\n')}\n`);
  await chmod(join(bin, 'podman'), 0o755);
  const path = process.env['PATH'];
  process.env['PATH'] = [bin, path].join(delimiter);
  return {
    end: async () => {
      process.env['PATH'] = path;
      const ended = once(holder, 'exit');
      holder.kill('SIGKILL');
      await ended;
    },
    // There is no daemon.
    restart: async () => Promise.resolve(),
  };
}

async function imageArchive(folder: string): Promise<string> {
  const root = join(folder, 'image');
  await mkdir(join(root, 'data'), { recursive: true });
  const program = toolPath('rstmdb');
  await cp(program, join(root, 'rstmdb'), { dereference: true });
  for (const library of await librariesOf(program)) {
    await mkdir(join(root, dirname(library)), { recursive: true });
    await cp(library, join(root, library), { dereference: true });
  }
  const archive = join(folder, 'image.tar');
  await run('tar', ['--create', '--file', archive, '--directory', root, '.']);
  return archive;
}

async function librariesOf(program: string): Promise<string[]> {
  const { stdout } = await run('ldd', [program]);
  return [...stdout.matchAll(/(\/\S+) \(0x/g)].map(([, path]) => path as string);
}
