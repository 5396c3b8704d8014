/** Client certificates for Temporal that are replaced while the agent runs, as every rotation does. */
import { cp, readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import { createServer, type Server, type TLSSocket } from 'node:tls';
import { afterEach, beforeEach, expect, inject, test } from 'vitest';
import { stringify } from 'yaml';
import { writeFile } from 'node:fs/promises';
import { type AgentProcess, startAgent } from '../support/agent-process.ts';
import { type DatabaseStack, makeDatabaseStack } from '../support/database-stack.ts';
import { makeTlsCertificates, type TlsCertificates } from '../support/tls-certificates.ts';
import { waitUntil } from '../support/wait-until.ts';

const PATIENCE_MS = 120_000;

let stack: DatabaseStack;
let old: TlsCertificates;
let fresh: TlsCertificates;
let gate: Gate;
let agent: AgentProcess;

/** Mutual TLS before the Temporal server: lets one client certificate in at a time. */
type Gate = { port: number; admitOnly: (certFile: string) => Promise<void>; close: () => void };

beforeEach(async () => {
  stack = await makeDatabaseStack({ temporalAddress: 'none:1' });
  [old, fresh] = [await makeTlsCertificates(), await makeTlsCertificates()];
  gate = await openGate(inject('temporalAddress'));
});

afterEach(async () => {
  await agent.kill('SIGKILL');
  gate.close();
  await Promise.all([old.remove(), fresh.remove(), stack.remove()]);
});

async function openGate(target: string): Promise<Gate> {
  const open = new Set<TLSSocket>();
  let admitted = '';
  const server: Server = createServer(
    {
      cert: await readFile(old.server.certFile),
      key: await readFile(old.server.keyFile),
      ca: [await readFile(old.caFile), await readFile(fresh.caFile)],
      requestCert: true,
      ALPNProtocols: ['h2'],
    },
    (client) => {
      if (pemOf(client.getPeerCertificate().raw) !== admitted) return void client.destroy();
      open.add(client);
      const { hostname, port } = new URL(`tcp://${target}`);
      const temporal = connect(Number(port), hostname);
      client.on('error', () => temporal.destroy()).on('close', () => open.delete(client));
      temporal.on('error', () => client.destroy());
      client.pipe(temporal).pipe(client);
    },
  );
  server.on('tlsClientError', () => undefined).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const dropAll = (): void => open.forEach((client) => client.destroy());
  return {
    port,
    admitOnly: async (certFile) => {
      admitted = (await readFile(certFile, 'utf8')).replaceAll(/-----[^-]+-----|\s/g, '');
      dropAll();
    },
    close: () => {
      dropAll();
      server.close();
    },
  };
}

function pemOf(raw: Buffer): string {
  return raw.toString('base64');
}

test('the agent reconnects with the new files once the old certificate is refused', { timeout: 2 * PATIENCE_MS }, async () => {
  await gate.admitOnly(old.client.certFile);
  const configFile = join(stack.folder, 'rotated.yaml');
  const { agent: settings, repositories, databases, timing } = stack.plain;
  await writeFile(configFile, stringify({ agent: settings, repositories, databases, timing }));
  agent = await startAgent({
    configFile,
    workflowBundlePath: inject('workflowBundlePath'),
    env: {
      TEMPORAL_ADDRESS: `127.0.0.1:${gate.port}`,
      TEMPORAL_TLS_CLIENT_CERT_PATH: old.client.certFile,
      TEMPORAL_TLS_CLIENT_KEY_PATH: old.client.keyFile,
      TEMPORAL_TLS_SERVER_CA_CERT_PATH: old.caFile,
    },
  });
  await gate.admitOnly(fresh.client.certFile);
  await cp(fresh.client.keyFile, old.client.keyFile);
  await cp(fresh.client.certFile, old.client.certFile);
  const timesReady = (): number => agent.outputText().match(/^agent db1 ready$/gm)?.length ?? 0;
  await waitUntil('the agent serves again', () => timesReady() === 2, PATIENCE_MS);
  expect(agent.logText()).toContain('the credentials for Temporal have changed, so the agent reconnects');
  expect(await agent.kill('SIGTERM')).toBe(0);
});
