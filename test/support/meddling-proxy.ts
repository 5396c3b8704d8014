/** A way to a server of 127.0.0.1 on which somebody meddles: bytes are changed, connections are cut. */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket, connect } from 'node:net';

/** Gets each piece as it comes, in either direction; gives what is passed on, or ends the connection. */
export type Meddling = (bytes: Buffer, direction: 'up' | 'down') => Buffer | 'cut';

export type MeddlingProxy = { port: number; setMeddling: (meddling: Meddling) => void; stop: () => Promise<void> };

export async function startMeddlingProxy(upstreamPort: number): Promise<MeddlingProxy> {
  let meddling: Meddling = (bytes) => bytes;
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(upstreamPort, '127.0.0.1');
    const cut = (): void => {
      client.destroy();
      upstream.destroy();
    };
    const pass = (from: Socket, to: Socket, direction: 'up' | 'down'): void => {
      sockets.add(from);
      from.on('error', cut).on('close', cut);
      from.on('data', (bytes: Buffer) => {
        const passed = meddling(bytes, direction);
        if (passed === 'cut') cut();
        else if (!to.write(passed)) from.pause();
      });
      to.on('drain', () => from.resume());
    };
    pass(client, upstream, 'up');
    pass(upstream, client, 'down');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    setMeddling: (next) => (meddling = next),
    stop: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
