/** What alerts are sent to: a web server and a mail server that keep what they got. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { SMTPServer } from 'smtp-server';

export type Sink = {
  port: number;
  /** The bodies of requests, or whole mails; in the order in which they came. */
  got: string[];
  close: () => Promise<void>;
};

/** Answers each request with 200, or as it is told to. `port`: a free one if absent. */
export async function webSink({ port = 0, status = 200 } = {}): Promise<Sink> {
  const got: string[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      if (status === 200) got.push(Buffer.concat(chunks).toString('utf8'));
      response.writeHead(status).end();
    });
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    got,
    close: async () => {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

/** Takes mail of whoever signs in as `agent` with this password. `refused`: an address that it takes none for. */
export async function mailSink(password: string, refused?: string): Promise<Sink> {
  const got: string[] = [];
  const server = new SMTPServer({
    allowInsecureAuth: true,
    disabledCommands: ['STARTTLS'],
    onAuth: ({ username, password: given }, _session, callback) => {
      if (username === 'agent' && given === password) callback(null, { user: username });
      else callback(new Error('no such user'));
    },
    onRcptTo: ({ address }, _session, callback) => callback(address === refused ? new Error('no such mailbox') : null),
    onData: (stream, _session, callback) => {
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('end', () => {
        got.push(Buffer.concat(chunks).toString('utf8'));
        callback();
      });
    },
  });
  const listening = server.listen(0, '127.0.0.1');
  await once(listening, 'listening');
  return { port: (listening.address() as AddressInfo).port, got, close: () => new Promise((resolve) => server.close(() => resolve())) };
}
