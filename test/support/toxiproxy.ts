/** A real proxy for tests, toxiproxy, that makes the way to a server bad. */
import { type ChildProcess, spawn } from 'node:child_process';
import { builtTool, lackOf } from './built-tools.ts';
import { freePort } from './free-port.ts';
import { endedWithUs, killChild, untilAnswering } from './server-child.ts';

/** What to put behind the name of a suite that needs it; undefined if it is there. */
export const lackForToxiproxy = (): string | undefined => lackOf('toxiproxy-server');

/**
 * @see Shopify/toxiproxy 2.5.0 README.md, "Toxics": of `latency` the attributes latency and jitter (ms), of `bandwidth` rate (KB/s), of `limit_data`
 * bytes after which the connection is closed, of `reset_peer` and `timeout` the timeout (ms) before it is cut; 0 of the latter for ever.
 */
export type Toxic = {
  type: 'latency' | 'bandwidth' | 'limit_data' | 'reset_peer' | 'timeout' | 'slow_close' | 'slicer';
  /** `downstream`: what the server answers; `upstream`: what it is asked. */
  stream?: 'downstream' | 'upstream';
  /** The share of connections that it is applied to, from 0 to 1. */
  toxicity?: number;
  attributes: Record<string, number>;
};

export type Proxy = {
  port: number;
  /** Applies to connections that are there as well. Gives a function that takes it away again. */
  add: (toxic: Toxic) => Promise<() => Promise<void>>;
  /** Closes all connections and takes no more, or takes them again. */
  setEnabled: (isEnabled: boolean) => Promise<void>;
};

export type Toxiproxy = {
  pid: number;
  /** To a port of 127.0.0.1. */
  proxyTo: (port: number) => Promise<Proxy>;
  /** Twice: no-op. */
  stop: () => Promise<void>;
};

export async function startToxiproxy(): Promise<Toxiproxy> {
  const port = await freePort();
  const api = `http://127.0.0.1:${port}`;
  const child = spawnServer(port);
  const stop = (): Promise<void> => killChild(child);
  try {
    await untilAnswering(child, () => ask(`${api}/version`, 'GET'));
  } catch (error) {
    await stop();
    throw error;
  }
  return { pid: child.pid ?? 0, proxyTo: (upstreamPort) => makeProxy(api, upstreamPort), stop };
}

async function makeProxy(api: string, upstreamPort: number): Promise<Proxy> {
  const port = await freePort();
  const name = `to-${upstreamPort}-by-${port}`;
  await ask(`${api}/proxies`, 'POST', { name, listen: `127.0.0.1:${port}`, upstream: `127.0.0.1:${upstreamPort}`, enabled: true });
  const own = `${api}/proxies/${name}`;
  let toxics = 0;
  return {
    port,
    add: async ({ stream = 'downstream', toxicity = 1, ...toxic }) => {
      const toxicName = `toxic-${(toxics += 1)}`;
      await ask(`${own}/toxics`, 'POST', { name: toxicName, stream, toxicity, ...toxic });
      return () => ask(`${own}/toxics/${toxicName}`, 'DELETE');
    },
    setEnabled: (isEnabled) => ask(own, 'POST', { enabled: isEnabled }),
  };
}

async function ask(url: string, method: string, body?: object): Promise<void> {
  const answer = await fetch(url, { method, body: body === undefined ? null : JSON.stringify(body) });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`toxiproxy answered ${method} ${url} with ${answer.status}: ${text}`);
}

function spawnServer(port: number): ChildProcess {
  return endedWithUs(spawn(builtTool('toxiproxy-server'), ['-host', '127.0.0.1', '-port', String(port)], { stdio: 'ignore' }));
}
