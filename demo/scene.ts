import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client, Connection } from '@temporalio/client';
import { channelArgsOf } from '../src/client/temporal.ts';
import { stringify } from 'yaml';
import type { AgentConfig } from '../src/config/agent-config.ts';
import { answeringCluster, devServerCommand } from '../src/up/dev-server.ts';
import { loadConfig } from '../src/worker/load-config.ts';
import { type ChildProgram, freePorts, startChildProgram } from './child-program.ts';
import { type DemoDatabase, startDemoDatabase } from './database.ts';
import { DEMO_MARK, startDemoGuard } from './guard.ts';

export const DEMO_DATABASE = 'orders';

const NAMESPACE = 'default';

type DemoTemporal = { address: string; uiUrl: string; program: ChildProgram };

export type DemoScene = {
  folder: string;
  configFile: string;
  config: AgentConfig;
  database: DemoDatabase;
  temporal: DemoTemporal;
  agent: ChildProgram;
  client: Client;
};

/** Ends what was opened, last first; each one though another fails. */
export type Ends = { add(end: () => Promise<unknown>): void; close(): Promise<void> };

export function createEnds(): Ends {
  const ends: (() => Promise<unknown>)[] = [];
  return {
    add: (end) => void ends.push(end),
    close: async () => {
      for (let end = ends.pop(); end !== undefined; end = ends.pop()) await end().catch(reportEndFailure);
    },
  };
}

/** A database, a Temporal server and an agent, all real, in a new temp folder; `ends` takes what closes them. */
export async function openScene(ends: Ends): Promise<DemoScene> {
  const folder = await mkdtemp(join(tmpdir(), 'rstow-demo-'));
  const guard = startDemoGuard(folder);
  ends.add(() => guard.close());
  const mark = { [DEMO_MARK]: folder };
  await Promise.all(['data', 'repository'].map((name) => mkdir(join(folder, name))));
  const database = await startDemoDatabase(folder, mark);
  ends.add(() => database.stop());
  const temporal = await startTemporal(folder, mark);
  ends.add(() => temporal.program.stop());
  const configFile = join(folder, 'rstow.yaml');
  await writeFile(configFile, stringify(configOf(folder, database, temporal)));
  const agent = await startAgent(folder, { configFile, mark });
  ends.add(() => agent.stop());
  const connection = await Connection.connect({ address: temporal.address, channelArgs: channelArgsOf(temporal.address) });
  ends.add(() => connection.close());
  return { folder, configFile, config: await loadConfig(configFile), database, temporal, agent, client: new Client({ connection }) };
}

/** A Temporal server with its UI on free loopback ports; its database file lies in `folder`. Fails: `failed`. */
async function startTemporal(folder: string, mark: Record<string, string>): Promise<DemoTemporal> {
  const [port = 0, uiPort = 0] = await freePorts(2);
  const address = `127.0.0.1:${port}`;
  const program = await startChildProgram(
    {
      command: devServerCommand({ port, uiPort, databaseFile: join(folder, 'temporal.db'), namespace: NAMESPACE }),
      env: mark,
      logFile: join(folder, 'temporal.log'),
    },
    async () => (await answeringCluster(address, NAMESPACE)) !== undefined,
  );
  return { address, uiUrl: `http://127.0.0.1:${uiPort}`, program };
}

type AgentPlace = { configFile: string; mark: Record<string, string> };

function startAgent(folder: string, { configFile, mark }: AgentPlace): Promise<ChildProgram> {
  const main = fileURLToPath(new URL('../src/worker/agent-main.ts', import.meta.url));
  const command = [process.execPath, '--disable-warning=ExperimentalWarning', main, '--config', configFile];
  return startChildProgram({ command, env: mark, logFile: join(folder, 'agent.log') }, (logText) => /^agent demo ready$/m.test(logText));
}

function configOf(folder: string, { address, service }: DemoDatabase, temporal: DemoTemporal): object {
  const { command, env, stateDir, dataDir, stopTimeoutMs } = service;
  return {
    agent: { name: 'demo', stateDir: join(folder, 'agent') },
    temporal: { address: temporal.address, namespace: NAMESPACE },
    repositories: { local: { kind: 'folder', path: join(folder, 'repository') } },
    databases: {
      [DEMO_DATABASE]: {
        server: { address },
        dataDir,
        service: { kind: 'process', command, env, stateDir, stopTimeoutMs },
        repositories: ['local'],
      },
    },
    timing: { heartbeatMs: 5_000, ownerPollMs: 1_000 },
  };
}

function reportEndFailure(error: unknown): void {
  process.stderr.write(`demo: while ending: ${error instanceof Error ? error.message : String(error)}\n`);
}
