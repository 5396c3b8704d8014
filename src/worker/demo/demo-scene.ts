import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client, Connection } from '@temporalio/client';
import { channelArgsOf } from '../../contract/loopback.ts';
import { stringify } from 'yaml';
import type { AgentConfig } from '../../config/agent-config.ts';
import { loadConfig } from '../load-config.ts';
import { type ChildProgram, startChildProgram } from './child-program.ts';
import { type DemoDatabase, startDemoDatabase } from './demo-database.ts';
import { DEMO_MARK, startDemoGuard } from './demo-guard.ts';
import { type DemoTemporal, startDemoTemporal } from './demo-temporal.ts';

export const DEMO_DATABASE = 'orders';

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
      for (let end = ends.pop(); end !== undefined; end = ends.pop()) await end().catch(tell);
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
  const temporal = await startDemoTemporal(folder, mark);
  ends.add(() => temporal.program.stop());
  const configFile = join(folder, 'rstow.yaml');
  await writeFile(configFile, stringify(configOf(folder, database, temporal)));
  const agent = await startAgent(folder, { configFile, mark });
  ends.add(() => agent.stop());
  const connection = await Connection.connect({ address: temporal.address, channelArgs: channelArgsOf(temporal.address) });
  ends.add(() => connection.close());
  return { folder, configFile, config: await loadConfig(configFile), database, temporal, agent, client: new Client({ connection }) };
}

type AgentPlace = { configFile: string; mark: Record<string, string> };

function startAgent(folder: string, { configFile, mark }: AgentPlace): Promise<ChildProgram> {
  const main = fileURLToPath(new URL(`../agent-main${extname(import.meta.url)}`, import.meta.url));
  const command = [process.execPath, '--disable-warning=ExperimentalWarning', main, '--config', configFile];
  return startChildProgram({ command, env: mark, logFile: join(folder, 'agent.log') }, (logText) => /^agent demo ready$/m.test(logText));
}

function configOf(folder: string, { address, service }: DemoDatabase, temporal: DemoTemporal): object {
  const { command, env, stateDir, dataDir, stopTimeoutMs } = service;
  return {
    agent: { name: 'demo', stateDir: join(folder, 'agent') },
    temporal: { address: temporal.address, namespace: 'default' },
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

function tell(error: unknown): void {
  process.stderr.write(`rstow demo: while ending: ${error instanceof Error ? error.message : String(error)}\n`);
}
