import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { encodeFrame } from '../../../../src/io/rstmdb/protocol.ts';
import { connectRstmdb } from '../../../../src/io/rstmdb/connect-rstmdb.ts';
import { createInstance, getInstance, getInstances, listInstances } from '../../../../src/io/rstmdb/instances.ts';
import { fingerprintOf } from '../../../../src/io/rstmdb/live-state.ts';
import type { RstmdbClient } from '../../../../src/io/rstmdb/rstmdb-client.ts';
import { walStats } from '../../../../src/io/rstmdb/server.ts';
import { sendResult, startFakeRcpServer, type FakeRequest } from '../../../support/fake-rcp-server.ts';

const ends: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

async function connectToFake(
  answer: (request: FakeRequest, socket: Socket) => void,
  more: { signal?: AbortSignal } = {},
): Promise<RstmdbClient> {
  const server = await startFakeRcpServer(answer);
  ends.push(server.stop);
  const client = await connectRstmdb({ address: server.address, connectTimeoutMs: 2000, requestTimeoutMs: 300, ...more });
  ends.push(() => client.close());
  return client;
}

/** Segment 2^24 - 1: a number would round it. */
const FAR_OFFSET = ((2n ** 24n - 1n) << 40n) | 12_345_678_901n;

describe('offsets beyond 2^53', () => {
  it('come exactly from WAL_STATS, CREATE_INSTANCE, GET_INSTANCE and LIST_INSTANCES', async () => {
    const results: Record<string, string> = {
      WAL_STATS: `{"entry_count":7,"segment_count":1,"latest_offset":${FAR_OFFSET}}`,
      CREATE_INSTANCE: `{"instance_id":"a","state":"s","wal_offset":${FAR_OFFSET}}`,
      GET_INSTANCE: `{"machine":"m","version":1,"state":"s","ctx":null,"last_wal_offset":${FAR_OFFSET}}`,
      LIST_INSTANCES: `{"instances":[{"id":"\\"last_wal_offset\\":1","machine":"m","version":1,"state":"s","last_wal_offset":${FAR_OFFSET}}],"total":1}`,
    };
    const client = await connectToFake((request, socket) => sendResult(socket, request, results[request.op] ?? 'null'));
    expect((await walStats(client)).latestOffset).toBe(FAR_OFFSET);
    expect(await createInstance(client, { id: 'a', machine: 'm', version: 1 })).toBe(FAR_OFFSET);
    expect((await getInstance(client, 'a'))?.lastWalOffset).toBe(FAR_OFFSET);
    const page = await listInstances(client, { limit: 10, offset: 0 });
    expect(page.instances[0]).toMatchObject({ id: '"last_wal_offset":1', lastWalOffset: FAR_OFFSET });
  });

  it('are undefined where the server has no current segment', async () => {
    const client = await connectToFake((request, socket) =>
      sendResult(socket, request, '{"entry_count":0,"segment_count":0,"latest_offset":null}'),
    );
    expect((await walStats(client)).latestOffset).toBeUndefined();
  });
});

describe('a connection that breaks', () => {
  it('fails every waiting request with server-unreachable when the server closes without an answer', async () => {
    const client = await connectToFake((_, socket) => socket.end());
    const outcomes = await Promise.allSettled([client.request('INFO'), client.request('WAL_STATS')]);
    for (const outcome of outcomes) expect(outcome).toMatchObject({ reason: { code: 'server-unreachable', details: { op: 'INFO' } } });
    await expect(client.request('INFO')).rejects.toMatchObject({ code: 'server-unreachable' });
  });

  it('calls a damaged frame, a foreign id and broken JSON server-unreachable, with the reason', async () => {
    const answers: Record<string, (request: FakeRequest, socket: Socket) => void> = {
      crc: (_, socket) => socket.write(encodeFrame(Buffer.from('{}')).fill(0x7b, 19)),
      magic: (_, socket) => socket.write('HTTP/1.1 400 Bad Request\r\n'),
      id: (request, socket) => sendResult(socket, { ...request, id: 'other' }, '{}'),
      json: (_, socket) => socket.write(encodeFrame(Buffer.from('{"id":'))),
    };
    for (const [reason, answer] of Object.entries(answers)) {
      const client = await connectToFake(answer);
      await expect(client.request('INFO')).rejects.toMatchObject({ code: 'server-unreachable', details: { reason } });
    }
  });

  it('ends by the request timeout, for the answers behind the late one too', async () => {
    const client = await connectToFake(() => undefined);
    const startedAtMs = performance.now();
    const outcomes = await Promise.allSettled([client.request('INFO'), client.request('WAL_STATS')]);
    for (const outcome of outcomes)
      expect(outcome).toMatchObject({ reason: { code: 'server-unreachable', details: { awaited: 'INFO', timeoutMs: 300 } } });
    expect(performance.now() - startedAtMs).toBeGreaterThan(250);
  });

  it('is no timeout where this process itself was too busy to read the answer', async () => {
    const client = await connectToFake((request, socket) => {
      sendResult(socket, request, '{}');
      // The fake shares this thread: the answer now lies in the socket, and the timer is due before anybody can read it.
      const busyUntilMs = performance.now() + 400;
      while (performance.now() < busyUntilMs);
    });
    expect(await client.request('INFO')).toBe('{}');
  });

  it('ends with the reason of the signal', async () => {
    const abort = new AbortController();
    const client = await connectToFake(() => undefined, { signal: abort.signal });
    const request = client.request('INFO');
    const reason = new Error('the run was cancelled');
    abort.abort(reason);
    await expect(request).rejects.toBe(reason);
    await expect(client.request('INFO')).rejects.toBe(reason);
  });
});

describe('a connect', () => {
  /** Accepts, and never says a word: a TLS handshake with it does not end. */
  async function silentAddress(): Promise<string> {
    const sockets: Socket[] = [];
    const server = createServer((socket) => sockets.push(socket.on('error', () => undefined))).listen(0, '127.0.0.1');
    await once(server, 'listening');
    ends.push(async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    });
    return `127.0.0.1:${(server.address() as { port: number }).port}`;
  }

  it('that takes too long is server-unreachable after its own timeout', async () => {
    const connecting = connectRstmdb({ address: await silentAddress(), tls: {}, connectTimeoutMs: 100, requestTimeoutMs: 60_000 });
    await expect(connecting).rejects.toMatchObject({ code: 'server-unreachable', details: { awaited: 'a connect', timeoutMs: 100 } });
  });

  it('ends with the reason of the signal', async () => {
    const abort = new AbortController();
    const options = { address: await silentAddress(), tls: {}, connectTimeoutMs: 60_000, requestTimeoutMs: 60_000, signal: abort.signal };
    const reason = new Error('the run was cancelled');
    setTimeout(() => abort.abort(reason), 50);
    await expect(connectRstmdb(options)).rejects.toBe(reason);
    await expect(connectRstmdb(options)).rejects.toBe(reason);
  });
});

describe('a request', () => {
  it('above 16 MiB is refused here, and the connection lives on', async () => {
    const client = await connectToFake((request, socket) => sendResult(socket, request, '{}'));
    const ctxText = JSON.stringify('x'.repeat(16 * 1024 * 1024));
    await expect(createInstance(client, { id: 'a', machine: 'm', version: 1, ctxText })).rejects.toMatchObject({ code: 'invalid-input' });
    expect(await client.request('INFO')).toBe('{}');
  });

  it('fails with the code of the server, retryable where the server says so', async () => {
    const client = await connectToFake(({ id, op }, socket) => {
      const error = { code: op, message: 'no', retryable: op === 'WAL_IO_ERROR' };
      socket.write(encodeFrame(Buffer.from(JSON.stringify({ type: 'response', id, status: 'error', error }))));
    });
    await expect(client.request('WAL_IO_ERROR')).rejects.toMatchObject({ code: 'failed', details: { serverCode: 'WAL_IO_ERROR' } });
    await expect(client.request('CONFLICT')).rejects.toMatchObject({ code: 'server-refused', details: { serverCode: 'CONFLICT' } });
  });

  it('whose answer lacks a member is server-version-unsupported', async () => {
    const client = await connectToFake((request, socket) => sendResult(socket, request, '{"entry_count":"many"}'));
    await expect(walStats(client)).rejects.toMatchObject({ code: 'server-version-unsupported', details: { member: 'entry_count' } });
  });
});

describe('getInstances', () => {
  function instanceText(id: unknown): string {
    return `{"machine":"m","version":1,"state":"s","ctx":"${String(id)}","last_wal_offset":1}`;
  }

  it('sends no more than a window of requests ahead of a taker who stops', async () => {
    let asked = 0;
    const client = await connectToFake((request, socket) => {
      asked += 1;
      sendResult(socket, request, instanceText(request.params['instance_id']));
    });
    const ids = Array.from({ length: 3000 }, (_, index) => String(index));
    let taken = 0;
    for await (const instance of getInstances(client, ids)) {
      expect(instance?.ctxText).toBe(`"${taken}"`);
      taken += 1;
      if (taken === 1000) break;
    }
    await client.request('INFO').catch(() => undefined);
    expect(asked).toBeGreaterThan(1000);
    expect(asked).toBeLessThanOrEqual(1502);
  });
});

describe('fingerprintOf', () => {
  async function quiescenceWith(stats: string[]): Promise<boolean> {
    const results: Record<string, () => string> = {
      WAL_STATS: () => stats.shift() ?? '',
      LIST_MACHINES: () => '{"items":[]}',
      LIST_INSTANCES: () => '{"instances":[],"total":0}',
    };
    const connect = (): Promise<RstmdbClient> =>
      connectToFake((request, socket) => sendResult(socket, request, results[request.op]?.() ?? 'null'));
    return (await fingerprintOf(connect, { addMachine: () => undefined, addInstance: () => undefined })).quiescent;
  }
  const statsText = (sequence: number, offset: number): string => `{"entry_count":${sequence},"segment_count":1,"latest_offset":${offset}}`;

  it('calls the server quiescent only where neither the end of the log nor its last number moved', async () => {
    expect(await quiescenceWith([statsText(7, 100), statsText(7, 100)])).toBe(true);
    expect(await quiescenceWith([statsText(7, 100), statsText(8, 100)])).toBe(false);
    expect(await quiescenceWith([statsText(7, 100), statsText(7, 180)])).toBe(false);
  });
});
