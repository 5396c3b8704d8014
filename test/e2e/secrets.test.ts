import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { zstdDecompressSync } from 'node:zlib';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import type { HotBackupResult } from '../../src/contract/hot-backup.ts';
import type { RestoreResult } from '../../src/contract/restore.ts';
import type { VerifyBackupResult } from '../../src/contract/verify-backup.ts';
import { DATABASE } from '../support/database-stack.ts';
import { filesBelow } from '../support/folder-hash.ts';
import { ORDER_MACHINE } from '../../demo/orders.ts';
import { tokenHashOf } from '../support/rstmdb-server.ts';
import { runProgram } from '../support/run-program.ts';
import { textOfHistory } from '../support/run-workflow.ts';
import { openScene, type Scene } from '../support/scene.ts';
import { makeTlsCertificates, type TlsCertificates } from '../support/tls-certificates.ts';
import { toolPath } from '../support/tools.ts';
import { connectRstmdb } from '../../src/io/rstmdb/connect-rstmdb.ts';
import { createInstance } from '../../src/io/rstmdb/instances.ts';
import { putMachine } from '../../src/io/rstmdb/server.ts';

const SAMPLE_MS = 20;

let certificates: TlsCertificates;
let secretsFolder: string;
let secrets: string[];
let scene: Scene;

beforeAll(async () => {
  certificates = await makeTlsCertificates();
  secretsFolder = await mkdtemp(join(tmpdir(), 'rstow-secrets-'));
  const token = `token-${randomBytes(16).toString('hex')}`;
  const tokenFile = join(secretsFolder, 'token');
  await writeFile(tokenFile, `${token}\n`, { mode: 0o600 });
  const keys = await Promise.all([certificates.server.keyFile, certificates.client.keyFile].map((path) => readFile(path, 'utf8')));
  secrets = [token, ...keys.map((pem) => pem.split('\n')[1]!)];
  const tls = { caFile: certificates.caFile, ...certificates.client };
  scene = await openScene(
    { temporalAddress: inject('temporalAddress'), workflowBundlePath: inject('workflowBundlePath') },
    {
      server: { tokenFile, tls },
      serverEnv: {
        RUST_LOG: 'info',
        RSTMDB_AUTH_REQUIRED: 'true',
        RSTMDB_AUTH_TOKEN_HASH: tokenHashOf(token),
        RSTMDB_TLS_ENABLED: 'true',
        RSTMDB_TLS_CERT: certificates.server.certFile,
        RSTMDB_TLS_KEY: certificates.server.keyFile,
        RSTMDB_TLS_REQUIRE_CLIENT_CERT: 'true',
        RSTMDB_TLS_CLIENT_CA: certificates.caFile,
      },
    },
  );
  const client = await connectRstmdb({ address: scene.stack.address, tokenFile, tls, connectTimeoutMs: 5000, requestTimeoutMs: 5000 });
  await putMachine(client, ORDER_MACHINE);
  const { machine, version } = ORDER_MACHINE;
  for (let serial = 1; serial <= 50; serial += 1) await createInstance(client, { id: `order-${serial}`, machine, version });
  await client.close();
});
afterAll(async () => {
  await scene.close();
  await Promise.all([certificates.remove(), rm(secretsFolder, { recursive: true })]);
});

/** Every command line that any process of the machine had meanwhile. */
async function withCommandLines<Result>(work: () => Promise<Result>): Promise<{ result: Result; commandLines: Set<string> }> {
  const commandLines = new Set<string>();
  const ended = new AbortController();
  const sampling = (async () => {
    while (!ended.signal.aborted) {
      const pids = (await readdir('/proc')).filter((name) => /^[0-9]+$/.test(name));
      const lines = pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => ''));
      for (const line of await Promise.all(lines)) commandLines.add(line.replaceAll('\0', ' '));
      await sleep(SAMPLE_MS);
    }
  })();
  try {
    return { result: await work(), commandLines };
  } finally {
    ended.abort();
    await sampling;
  }
}

/** As an operator sees them, and once more with every payload decoded. */
async function histories(): Promise<Map<string, string>> {
  const { temporal, temporalAddress, namespace } = scene;
  const texts = new Map<string, string>();
  for await (const { workflowId, runId } of temporal.client.workflow.list()) {
    const run = ['--workflow-id', workflowId, '--run-id', runId, '--address', temporalAddress, '--namespace', namespace];
    const { exitCode, stdout } = await runProgram(toolPath('temporal'), ['workflow', 'show', '-o', 'json', ...run]);
    expect(exitCode).toBe(0);
    texts.set(`history of ${workflowId}`, stdout);
    const history = await temporal.client.workflow.getHandle(workflowId, runId).fetchHistory();
    texts.set(`payloads of ${workflowId}`, textOfHistory(history));
  }
  return texts;
}

/** Repository, data directory, states, logs and configs; what is compressed, also as it was before. */
async function filesOfStack(): Promise<Map<string, string>> {
  const texts = new Map<string, string>();
  for (const path of await filesBelow(scene.stack.folder)) {
    const bytes = await readFile(path);
    texts.set(path, bytes.toString('latin1'));
    if (path.endsWith('.zst')) texts.set(`${path} decompressed`, zstdDecompressSync(bytes).toString('latin1'));
  }
  return texts;
}

it('runs the whole cycle with TLS and a token, and neither token nor keys get anywhere', async () => {
  const { temporal, stack } = scene;
  const copyDir = join(stack.folder, 'copy');
  const { result, commandLines } = await withCommandLines(async () => {
    const backup = await temporal.execute<HotBackupResult>('hotBackup', { database: DATABASE });
    const verified = await temporal.execute<VerifyBackupResult>('verifyBackup', { database: DATABASE });
    const copied = await temporal.execute<RestoreResult>('restore', { database: DATABASE, backup: 'latest', to: { dataDir: copyDir } });
    const restored = await temporal.execute<RestoreResult>('restore', { database: DATABASE, backup: 'latest' });
    await expect(temporal.execute('restore', { database: DATABASE, backup: 'none' })).rejects.toThrow();
    return { backup, verified, copied, restored };
  });
  const { backup, verified, copied, restored } = result;
  expect(backup).toMatchObject({ outcome: 'done', instances: 50 });
  expect(verified.stateDigest).toBe(backup.stateDigest);
  expect(copied).toMatchObject({ outcome: 'done', rehearsal: 'passed' });
  expect(restored).toMatchObject({ outcome: 'done', rehearsal: 'passed', warnings: [] });

  const searched = new Map([...(await histories()), ...(await filesOfStack())]);
  searched.set('agent log', scene.agent.logText() + scene.agent.outputText());
  searched.set('command lines', [...commandLines].join('\n'));
  const all = [...searched.values()].join('\n');
  // The search would see them: what is no secret is found in each of the places.
  for (const text of [...searched].filter(([name]) => name.startsWith('payloads of rstow/test')).map(([, text]) => text)) {
    expect(text).toContain(`"database":"${DATABASE}"`);
  }
  expect(searched.get('command lines')).toContain('agent-main.ts');
  expect(all).toContain(backup.label);
  expect([...searched.keys()].some((name) => name.endsWith('manifest.json'))).toBe(true);
  expect(searched.size).toBeGreaterThan(20);
  for (const [name, text] of searched) {
    for (const secret of secrets) expect(text.includes(secret), `${name} holds a secret`).toBe(false);
    for (const secret of secrets)
      expect(text.includes(Buffer.from(secret).toString('base64').slice(0, -4)), `${name} holds an encoded secret`).toBe(false);
  }
});
