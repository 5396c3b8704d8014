/** Which container a server runs in, as the engine knows that has it. */
import { z } from 'zod';
import { processEntry } from '../process/proc.ts';
import { type ContainerEngine, engineCommand } from './container-engine.ts';

type RunningContainer = {
  engine: ContainerEngine;
  /** Of its first process, on this host. */
  pid: number;
  name: string;
  image: string;
  /** The host's path of each mount, and the container's. */
  mounts: readonly { source: string; destination: string }[];
  /** Of systemd, which starts and stops the container. */
  unit: string | undefined;
  /** Once stopped, there is none to start again. */
  isRemovedAtEnd: boolean;
};

const ENGINES: readonly ContainerEngine[] = ['docker', 'podman'];
/** An engine whose daemon doesn't answer is one that isn't there. */
const ANSWER_MS = 10_000;

const FIELDS = {
  Pid: '.State.Pid',
  Name: '.Name',
  Image: '.Config.Image',
  Mounts: '.Mounts',
  Unit: 'index .Config.Labels "PODMAN_SYSTEMD_UNIT"',
  AutoRemove: '.HostConfig.AutoRemove',
};

const inspected = z.object({
  Pid: z.number(),
  Name: z.string(),
  Image: z.string(),
  Mounts: z.array(z.object({ Source: z.string(), Destination: z.string() })),
  Unit: z.string().nullish(),
  AutoRemove: z.boolean(),
});

/** The container whose first process is this one or an ancestor of it; undefined where no engine that answers has it. */
export async function containerOfProcess(pid: number): Promise<RunningContainer | undefined> {
  const pids = await withAncestors(pid);
  return (await allRunning()).find((container) => pids.includes(container.pid));
}

/** What a path in a container is on this host, if a container that runs has something mounted there. */
export async function hostPathOf(path: string): Promise<{ container: string; path: string } | undefined> {
  for (const { name, engine, mounts } of await allRunning()) {
    for (const { source, destination } of mounts) {
      if (path !== destination && !path.startsWith(`${destination}/`)) continue;
      return { container: `The container ${name} of ${engine}`, path: `${source}${path.slice(destination.length)}` };
    }
  }
  return undefined;
}

async function allRunning(): Promise<RunningContainer[]> {
  return (await Promise.all(ENGINES.map((engine) => runningContainers(engine).catch(() => [])))).flat();
}

async function withAncestors(pid: number): Promise<number[]> {
  const pids: number[] = [];
  for (let next = pid; next > 1; next = (await processEntry(next))?.parentPid ?? 0) pids.push(next);
  return pids;
}

/** Fails: failed, where the engine isn't there, or this user may not ask it. */
async function runningContainers(engine: ContainerEngine): Promise<RunningContainer[]> {
  const call = { code: 'failed', timeoutMs: ANSWER_MS } as const;
  const { stdout } = await engineCommand(engine, ['ps', '--quiet', '--no-trunc'], call);
  const ids = stdout.split('\n').filter((id) => id !== '');
  const members = Object.entries(FIELDS).map(([key, field]) => `"${key}":{{json (${field})}}`);
  const format = `{${members.join(',')}}`;
  return await Promise.all(
    ids.map(async (id) => {
      const asked = await engineCommand(engine, ['inspect', '--type', 'container', '--format', format, id], call);
      const { Pid, Name, Image, Mounts, Unit, AutoRemove } = inspected.parse(JSON.parse(asked.stdout));
      const mounts = Mounts.map(({ Source, Destination }) => ({ source: Source, destination: Destination }));
      const name = Name.replace(/^\//, '');
      return { pid: Pid, engine, name, image: Image, mounts, unit: Unit || undefined, isRemovedAtEnd: AutoRemove };
    }),
  );
}
