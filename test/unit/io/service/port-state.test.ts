import { once } from 'node:events';
import { createServer } from 'node:net';
import { expect, test } from 'vitest';
import { parseServerAddress, portState } from '../../../../src/io/service/ports.ts';
import { freePort } from '../../../support/free-port.ts';

test('an address is read with a name, an IPv4 and a bracketed IPv6 host', () => {
  expect(parseServerAddress('db1.example:7401')).toEqual({ host: 'db1.example', port: 7401 });
  expect(parseServerAddress('127.0.0.1:1')).toEqual({ host: '127.0.0.1', port: 1 });
  expect(parseServerAddress('[::1]:7401')).toEqual({ host: '::1', port: 7401 });
  expect(() => parseServerAddress('db1')).toThrow('an address is host:port');
});

test('a port is closed only where the connection is refused', async () => {
  const port = await freePort();
  expect(await portState({ host: '127.0.0.1', port }, 1_000)).toEqual({ kind: 'closed' });
  expect(await portState({ host: 'localhost', port }, 1_000)).toEqual({ kind: 'closed' });
  const server = createServer().listen(port, '127.0.0.1');
  await once(server, 'listening');
  expect(await portState({ host: '127.0.0.1', port }, 1_000)).toEqual({ kind: 'open' });
  server.close();
  expect(await portState({ host: 'no-such-host.invalid', port }, 5_000)).toMatchObject({ kind: 'unclear' });
});
