/** A server that speaks RCP's frames and says what a test wants: for what no real rstmdb can be brought to say. */
import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { encodeFrame, FrameBuffer } from '../../src/io/rstmdb/protocol.ts';

export type FakeRequest = { id: string; op: string; params: Record<string, unknown> };

export type FakeRcpServer = { address: string; stop: () => Promise<void> };

/** `answer` is called for each request but PING; it may also do something else to the socket. */
export async function startFakeRcpServer(answer: (request: FakeRequest, socket: Socket) => void, port = 0): Promise<FakeRcpServer> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    const frames = new FrameBuffer();
    socket.on('error', () => undefined);
    socket.on('data', (chunk: Buffer) => {
      frames.add(chunk);
      for (let reading = frames.next(); reading.kind === 'frame'; reading = frames.next()) {
        const request = JSON.parse(reading.payload.toString()) as FakeRequest;
        if (request.op === 'PING') sendResult(socket, request, '{"pong":true}');
        else answer(request, socket);
      }
    });
  }).listen(port, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('a TCP server has a port');
  const stop = async (): Promise<void> => {
    for (const socket of sockets) socket.destroy();
    server.close();
    await once(server, 'close');
  };
  return { address: `127.0.0.1:${address.port}`, stop };
}

export function sendResult(socket: Socket, request: FakeRequest, resultText: string): void {
  socket.write(encodeFrame(Buffer.from(`{"type":"response","id":"${request.id}","status":"ok","result":${resultText}}`)));
}
