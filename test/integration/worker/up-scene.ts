/** `rstow up` of one test: a database of its own, its ports, and the end of all that it starts. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { expect, inject } from 'vitest';
import { stringify } from 'yaml';
import { endHolders } from '../../../src/io/service/prove-stopped.ts';
import { type DatabaseStack, makeDatabaseStack } from '../../support/database-stack.ts';
import { freePort } from '../../support/free-port.ts';
import { waitUntil } from '../../support/wait-until.ts';
import { type RstowProcess, spawnRstow } from '../cli/rstow-process.ts';

const READY_MS = 120_000;

export type UpScene = {
  stack: DatabaseStack;
  configFile: string;
  /** Where its Temporal has its file. */
  temporalDir: string;
  env: Record<string, string>;
  /** Starts `up` and waits until it says that everything is served. */
  start: (...more: string[]) => Promise<RstowProcess>;
  withClient: <T>(work: (client: Client) => Promise<T>) => Promise<T>;
  temporalPid: () => Promise<number>;
  remove: () => Promise<void>;
};

export async function makeUpScene(stateName = 'up'): Promise<UpScene> {
  const stack = await makeDatabaseStack({ temporalAddress: 'none:1' });
  const { databases, repositories, timing } = stack.config;
  const [stateDir, configFile, port] = [join(stack.folder, stateName), join(stack.folder, 'up.yaml'), await freePort()];
  const temporal = { embedded: { port, uiPort: await freePort() } };
  await writeFile(configFile, stringify({ agent: { name: 'db1', stateDir }, temporal, databases, repositories, timing }));
  const env = { RSTOW_WORKFLOW_BUNDLE: inject('workflowBundlePath') };
  const temporalDir = join(stateDir, 'temporal');
  const started: RstowProcess[] = [];
  return {
    stack,
    configFile,
    temporalDir,
    env,
    start: async (...more) => {
      const up = spawnRstow(['up', '--config', configFile, ...more], env);
      started.push(up);
      await waitUntil('`up` is ready', () => /^up since/m.test(up.stdout()) || /^error: /m.test(up.stderr()), READY_MS);
      expect(up.stdout(), up.stderr()).toMatch(/^up since/m);
      return up;
    },
    withClient: async (work) => {
      const connection = await Connection.connect({ address: `127.0.0.1:${port}` });
      try {
        return await work(new Client({ connection }));
      } finally {
        await connection.close();
      }
    },
    temporalPid: async () => (JSON.parse(await readFile(join(temporalDir, 'service.json'), 'utf8')) as { pid: number }).pid,
    remove: async () => {
      for (const up of started) up.signal('SIGKILL');
      await Promise.all(started.map((up) => up.exitCode));
      await endHolders(stateDir, { graceMs: 0 });
      await stack.remove();
    },
  };
}
