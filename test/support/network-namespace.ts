/** A network of its own for a process, as another machine has it: own loopback, own ports, one cable to ours. Needs root and `ip`. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { once } from 'node:events';
import { promisify } from 'node:util';
import { waitUntil } from './wait-until.ts';

export type NetworkNamespace = {
  /** Our end of the cable, and the other one. */
  outsideAddress: string;
  insideAddress: string;
  /** What a command in it begins with. */
  enter: string[];
  pids: () => Promise<number[]>;
  /** Kills every process in it, and removes it. */
  end: () => Promise<void>;
  remove: () => Promise<void>;
};

const run = promisify(execFile);

/** Whether one can be made here; for tests that skip themselves where not. */
export function canMakeNetworkNamespace(): boolean {
  return process.getuid?.() === 0 && ['/usr/sbin/ip', '/sbin/ip'].some((path) => existsSync(path));
}

export async function makeNetworkNamespace(): Promise<NetworkNamespace> {
  const name = `rstow-${process.pid}`;
  const [ours, theirs] = [`rs${process.pid}a`, `rs${process.pid}b`];
  const net = `10.213.${process.pid % 250}`;
  const [outsideAddress, insideAddress] = [`${net}.1`, `${net}.2`];
  const ip = (...args: string[]): Promise<unknown> => run('ip', args);
  const remove = async (): Promise<void> => {
    await ip('netns', 'del', name);
  };
  await ip('netns', 'add', name);
  try {
    await ip('link', 'add', ours, 'type', 'veth', 'peer', 'name', theirs, 'netns', name);
    await ip('addr', 'add', `${outsideAddress}/30`, 'dev', ours);
    await ip('link', 'set', ours, 'up');
    await ip('-n', name, 'addr', 'add', `${insideAddress}/30`, 'dev', theirs);
    for (const link of [theirs, 'lo']) await ip('-n', name, 'link', 'set', link, 'up');
    const pids = async (): Promise<number[]> => (await run('ip', ['netns', 'pids', name])).stdout.split('\n').filter(Boolean).map(Number);
    const end = async (): Promise<void> => {
      for (const pid of await pids()) process.kill(pid, 'SIGKILL');
      await waitUntil('all have ended', async () => (await pids()).length === 0);
      await remove();
    };
    return { outsideAddress, insideAddress, enter: ['ip', 'netns', 'exec', name], pids, end, remove };
  } catch (error) {
    await remove();
    throw error;
  }
}

/** Hands what comes in at the host over to the target, such as a service of our loopback interface. */
export async function forwardTcp(host: string, target: string): Promise<{ address: string; close: () => void }> {
  const { hostname, port } = new URL(`tcp://${target}`);
  const server = createServer((inbound) => {
    const outbound = connect(Number(port), hostname);
    for (const [one, other] of [
      [inbound, outbound],
      [outbound, inbound],
    ] as const) {
      one.on('error', () => other.destroy());
      one.pipe(other);
    }
  });
  server.listen(0, host);
  await once(server, 'listening');
  const bound = server.address() as { port: number };
  return { address: `${host}:${bound.port}`, close: () => void server.unref().close() };
}
