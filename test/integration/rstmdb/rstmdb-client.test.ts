import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connectRstmdb, type RstmdbTls } from '../../../src/io/rstmdb/connect-rstmdb.ts';
import {
  applyEvent,
  createInstance,
  deleteInstance,
  getInstance,
  getInstances,
  type Instance,
  listInstances,
} from '../../../src/io/rstmdb/instances.ts';
import { fingerprintOf } from '../../../src/io/rstmdb/live-state.ts';
import { compact, getMachine, listMachines, type Machine, putMachine, serverInfo, walStats } from '../../../src/io/rstmdb/server.ts';
import type { RstmdbClient } from '../../../src/io/rstmdb/rstmdb-client.ts';
import { walRead } from '../../support/wal-records.ts';
import { ORDER_MACHINE } from '../../../demo/orders.ts';
import { freePort } from '../../support/free-port.ts';
import { startRstmdb, tokenHashOf, type RstmdbServer } from '../../support/rstmdb-server.ts';
import { makeTlsCertificates, type TlsCertificates } from '../../support/tls-certificates.ts';
import { freezeProcess } from '../../support/freeze-process.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rstow-client-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

function connect(address: string, more: { tokenFile?: string; tls?: RstmdbTls; requestTimeoutMs?: number } = {}): Promise<RstmdbClient> {
  return connectRstmdb({ address, connectTimeoutMs: 3000, requestTimeoutMs: 10_000, ...more });
}

describe('operations on a real server', () => {
  let server: RstmdbServer;
  let client: RstmdbClient;
  beforeAll(async () => {
    server = await startRstmdb({ dataDir: join(folder, 'operations'), env: { RSTMDB_FSYNC_POLICY: 'never' } });
    client = await connect(server.address);
    await putMachine(client, ORDER_MACHINE);
  });
  afterAll(async () => {
    await client.close();
    await server.stop();
  });

  it('tells its version', async () => {
    expect(await serverInfo(client)).toEqual({ serverName: 'rstmdb', serverVersion: '0.3.0' });
  });

  it('keeps the text of big integers, of 1.0 and of a 17-digit double', async () => {
    const ctxText = '{"big":9007199254740993,"double":0.30000000000000004,"huge":18446744073709551615,"one":1.0,"text":"\\"ctx\\":{é"}';
    await createInstance(client, { id: 'numbers', machine: 'order', version: 1, ctxText });
    expect((await getInstance(client, 'numbers'))?.ctxText).toBe(ctxText);
  });

  it('gives a machine back as the server normalised it', async () => {
    expect(await listMachines(client)).toEqual([{ machine: 'order', version: 1 }]);
    const { definitionText } = await getMachine(client, { machine: 'order', version: 1 });
    expect(JSON.parse(definitionText)).toMatchObject({ initial: 'created', transitions: [{ from: ['created'], event: 'PAY' }, {}, {}] });
  });

  it('answers every write with the offset at which its record begins', async () => {
    const before = await walStats(client);
    const createdAt = await createInstance(client, { id: 'offsets', machine: 'order', version: 1 });
    const applied = await applyEvent(client, { instanceId: 'offsets', event: 'PAY', payloadText: '{"amount":1.0}' });
    const deletedAt = await deleteInstance(client, 'offsets');
    expect(createdAt).toBe(before.latestOffset);
    expect(applied.toState).toBe('paid');
    const records = await walRead(client, { offset: createdAt, limit: 10 });
    expect(records.map(({ offset }) => offset)).toEqual([createdAt, applied.offset, deletedAt]);
    expect(records.map(({ sequence }) => sequence - before.lastSequence)).toEqual([1, 2, 3]);
    expect(records[1]?.entryText).toContain('"payload":{"amount":1.0}');
    expect(await getInstance(client, 'offsets')).toBeUndefined();
  });

  it('refuses with the code of the server', async () => {
    const refused = createInstance(client, { id: 'numbers', machine: 'order', version: 1 });
    await expect(refused).rejects.toMatchObject({
      code: 'server-refused',
      details: { serverCode: 'INSTANCE_EXISTS', op: 'CREATE_INSTANCE' },
    });
  });

  it('says what a compaction did', async () => {
    expect(await compact(client, { forceSnapshot: false, timeoutMs: 60_000 })).toEqual({ snapshotsCreated: 1, segmentsDeleted: 0 });
  });

  it('gets 1000 pipelined instances in the order of their ids, the missing ones as undefined', async () => {
    const ids = Array.from({ length: 1000 }, (_, index) => `many-${index}`);
    const present = ids.filter((_, index) => index % 10 !== 3);
    await Promise.all(present.map((id) => createInstance(client, { id, machine: 'order', version: 1, ctxText: `{"id":"${id}"}` })));
    const answers: (Instance | undefined)[] = [];
    for await (const instance of getInstances(client, ids)) answers.push(instance);
    expect(answers.map((instance) => instance?.ctxText)).toEqual(ids.map((id, index) => (index % 10 === 3 ? undefined : `{"id":"${id}"}`)));
    expect((await listInstances(client, { limit: 50, offset: 10 })).instances).toHaveLength(50);
  });

  it('reads the whole state, and knows that nothing was written meanwhile', async () => {
    const machines: Machine[] = [];
    const instances: Instance[] = [];
    const consumer = {
      addMachine: (machine: Machine) => machines.push(machine),
      addInstance: (instance: Instance) => instances.push(instance),
    };
    const reading = await fingerprintOf(() => connect(server.address), consumer);
    const { total } = await listInstances(client, { limit: 1, offset: 0 });
    expect(reading).toEqual({
      machineCount: 1,
      instanceCount: total,
      latestOffset: (await walStats(client)).latestOffset,
      quiescent: true,
    });
    expect(machines).toHaveLength(1);
    expect(new Set(instances.map(({ id }) => id)).size).toBe(total);
  });

  it('knows that something was written while it read', async () => {
    let writes: Promise<unknown> | undefined;
    const addInstance = (): void => {
      writes ??= createInstance(client, { id: 'meanwhile', machine: 'order', version: 1 });
    };
    const reading = await fingerprintOf(() => connect(server.address), { addMachine: () => undefined, addInstance });
    await writes;
    expect(reading.quiescent).toBe(false);
  });

  it('calls an operation that the server does not know server-unreachable, for it closes without a word', async () => {
    const other = await connect(server.address);
    await expect(other.request('NO_SUCH_OP')).rejects.toMatchObject({ code: 'server-unreachable', details: { op: 'NO_SUCH_OP' } });
    await other.close();
  });
});

describe('a server that goes away', () => {
  it('in mid request fails the request with server-unreachable, and so does a new connection', async () => {
    const server = await startRstmdb({ dataDir: join(folder, 'gone') });
    const client = await connect(server.address);
    await freezeProcess(server.pid);
    const outcomes = Promise.allSettled([client.request('INFO'), client.request('WAL_STATS')]);
    await server.kill();
    for (const outcome of await outcomes) expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'server-unreachable' } });
    await expect(connect(server.address)).rejects.toMatchObject({ code: 'server-unreachable', details: { socketCode: 'ECONNREFUSED' } });
  });

  it('frozen is server-unreachable after the request timeout', async () => {
    const server = await startRstmdb({ dataDir: join(folder, 'frozen') });
    const client = await connect(server.address, { requestTimeoutMs: 200 });
    await freezeProcess(server.pid);
    await expect(client.request('PING')).rejects.toMatchObject({
      code: 'server-unreachable',
      details: { awaited: 'PING', timeoutMs: 200 },
    });
    await server.kill();
  });

  it('and comes back on its port is reached by a new connection', async () => {
    const dataDir = join(folder, 'back');
    const first = await startRstmdb({ dataDir });
    expect(await first.stop()).toBe(0);
    const second = await startRstmdb({ dataDir, port: first.port });
    const client = await connect(first.address);
    expect((await serverInfo(client)).serverName).toBe('rstmdb');
    await client.close();
    expect(await second.stop('SIGTERM')).toBe('SIGTERM');
  });
});

describe('a server that wants a token', () => {
  let server: RstmdbServer;
  const token = 'correct horse battery staple';
  beforeAll(async () => {
    server = await startRstmdb({ dataDir: join(folder, 'token'), tokenHash: tokenHashOf(token) });
  });
  afterAll(() => server.stop());

  async function tokenFile(text: string): Promise<string> {
    const path = join(folder, `token-${text.length}`);
    await writeFile(path, `${text}\n`, { mode: 0o600 });
    return path;
  }

  it('lets the right one in', async () => {
    const client = await connect(server.address, { tokenFile: await tokenFile(token) });
    expect((await walStats(client)).lastSequence).toBe(0);
    await client.close();
  });

  it('refuses a wrong one, which no error repeats', async () => {
    const error: unknown = await connect(server.address, { tokenFile: await tokenFile('wrong horse') }).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'server-refused', details: { serverCode: 'AUTH_FAILED' } });
    expect(JSON.stringify(error) + String(error)).not.toContain('wrong horse');
  });

  it('refuses a client without one at its first request', async () => {
    const client = await connect(server.address);
    await expect(walStats(client)).rejects.toMatchObject({ code: 'server-refused', details: { serverCode: 'UNAUTHORIZED' } });
    await client.close();
  });
});

describe('TLS', () => {
  let certificates: TlsCertificates;
  let server: RstmdbServer;
  let strictServer: RstmdbServer;
  beforeAll(async () => {
    certificates = await makeTlsCertificates();
    server = await startRstmdb({ dataDir: join(folder, 'tls'), tls: { certificates } });
    strictServer = await startRstmdb({ dataDir: join(folder, 'mtls'), tls: { certificates, requireClientCert: true } });
  });
  afterAll(async () => {
    await Promise.all([server.stop(), strictServer.stop()]);
    await certificates.remove();
  });

  async function versionOver(address: string, tls: RstmdbTls): Promise<string> {
    const client = await connect(address, { tls });
    try {
      return (await serverInfo(client)).serverVersion;
    } finally {
      await client.close();
    }
  }

  it('trusts a certificate of the named authority, for an address and for a name', async () => {
    expect(await versionOver(server.address, { caFile: certificates.caFile })).toBe('0.3.0');
    expect(await versionOver(server.address, { caFile: certificates.caFile, serverName: 'localhost' })).toBe('0.3.0');
  });

  it('refuses the certificate of another authority, and one for another name', async () => {
    await expect(versionOver(server.address, { caFile: certificates.otherCaFile })).rejects.toMatchObject({ code: 'server-refused' });
    await expect(versionOver(server.address, {})).rejects.toMatchObject({ code: 'server-refused' });
    const otherName = versionOver(server.address, { caFile: certificates.caFile, serverName: 'db.example' });
    await expect(otherName).rejects.toMatchObject({ code: 'server-refused', details: { socketCode: 'ERR_TLS_CERT_ALTNAME_INVALID' } });
  });

  it('shows its own certificate to a server that asks for one', async () => {
    expect(await versionOver(strictServer.address, { caFile: certificates.caFile, ...certificates.client })).toBe('0.3.0');
  });

  it('is not let in without a certificate where the server asks for one', async () => {
    const refused = versionOver(strictServer.address, { caFile: certificates.caFile });
    await expect(refused).rejects.toMatchObject({
      code: 'server-refused',
      details: { socketCode: 'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED' },
    });
  });

  it('refuses files that are no certificates as invalid-config', async () => {
    const path = join(folder, 'nonsense.pem');
    await writeFile(path, 'nonsense', { mode: 0o600 });
    const nonsense = versionOver(server.address, { certFile: path, keyFile: path });
    await expect(nonsense).rejects.toMatchObject({ code: 'invalid-config', details: { paths: [path, path] } });
    await expect(versionOver(server.address, { caFile: join(folder, 'missing.pem') })).rejects.toMatchObject({ code: 'invalid-config' });
  });

  it('is server-unreachable on a plain port, and so is a plain client on a TLS port', async () => {
    const plain = await startRstmdb({ dataDir: join(folder, 'plain') });
    await expect(versionOver(plain.address, { caFile: certificates.caFile })).rejects.toMatchObject({ code: 'server-unreachable' });
    await plain.stop();
    await expect(connect(server.address)).rejects.toMatchObject({ code: 'server-unreachable', details: { op: 'PING' } });
  });
});

describe('an address', () => {
  it.each(['localhost', '127.0.0.1:', ':7401', '127.0.0.1:70000', '::1:7401'])('%j is invalid-config', async (address) => {
    await expect(connect(address)).rejects.toMatchObject({ code: 'invalid-config' });
  });

  it('that cannot be found is server-unreachable', async () => {
    await expect(connect(`no-such-host.invalid:${await freePort()}`)).rejects.toMatchObject({ code: 'server-unreachable' });
  });
});
