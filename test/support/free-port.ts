import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';

/**
 * Any port between these may be taken by an outgoing connection at any moment: also that of a test's server, while that is down and about to
 * be started again.
 */
const [EPHEMERAL_MIN = 32_768] = readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8').trim().split(/\s+/).map(Number);
/** `fetch` refuses some lower ones. */
const PORT_MIN = 10_081;

/** A port of 127.0.0.1 that nobody listens on now, and that no outgoing connection will take: any, or the first one from `portMin` up. */
export async function freePort(portMin?: number): Promise<number> {
  // Processes that look at the same time begin at different places.
  const first = portMin ?? PORT_MIN + Math.floor(Math.random() * (EPHEMERAL_MIN - PORT_MIN));
  for (let port = first; port <= 65_535; port += 1) {
    if (await isFree(port)) return port;
  }
  throw new Error(`no port from ${first} up is free`);
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen(port, '127.0.0.1');
  try {
    await once(server, 'listening');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') return false;
    throw error;
  }
  server.close();
  await once(server, 'close');
  return true;
}
