import { once } from 'node:events';
import { createServer } from 'node:net';
import { assert } from '../../core/errors/assert.ts';

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
