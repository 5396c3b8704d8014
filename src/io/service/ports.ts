import { connect, createServer } from 'node:net';
import { once } from 'node:events';
import { assert } from '../../core/errors/rstow-error.ts';

export type ServerAddress = { readonly host: string; readonly port: number };

/** `unclear` holds why: no answer in time, or an error that isn't a refusal, proves nothing. */
type PortState = { kind: 'closed' } | { kind: 'open' } | { kind: 'unclear'; reason: string };

/** Reads `host:port`, an IPv6 host in brackets: the shape that the config file's door lets in. */
export function parseServerAddress(text: string): ServerAddress {
  const [, host, port] = /^\[?(.+?)\]?:(\d+)$/.exec(text) ?? [];
  assert(host !== undefined && port !== undefined, 'an address is host:port');
  return { host, port: Number(port) };
}

/** Only a refused connection says that nobody listens. */
export function portState({ host, port }: ServerAddress, timeoutMs: number): Promise<PortState> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    const settle = (state: PortState): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(state);
    };
    const timer = setTimeout(() => settle({ kind: 'unclear', reason: `no answer in ${timeoutMs} ms` }), timeoutMs);
    socket.once('connect', () => settle({ kind: 'open' }));
    socket.on('error', ({ code, message }: NodeJS.ErrnoException) =>
      settle(code === 'ECONNREFUSED' ? { kind: 'closed' } : { kind: 'unclear', reason: code ?? message }),
    );
  });
}

/** A loopback port that was free a moment ago; whoever takes it first has it. */
export async function freePort(): Promise<number> {
  return listenOnce(0);
}

/** Whether a server could listen on the loopback port now. */
export async function isPortFree(port: number): Promise<boolean> {
  try {
    await listenOnce(port);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') return false;
    throw error;
  }
}

async function listenOnce(wanted: number): Promise<number> {
  const server = createServer();
  server.listen(wanted, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  assert(typeof address === 'object' && address !== null, 'a TCP server has a port');
  server.close();
  await once(server, 'close');
  return address.port;
}
