import { resolve } from 'node:path';
import { DEFAULT_CONFIG_FILE } from '../contract/default-places.ts';
import { runAgent } from './agent.ts';
import { createAgentLogger } from './telemetry/agent-logger.ts';
import { loadConfig } from './load-config.ts';

export type AgentProgram = {
  /** Default: /etc/rstow/rstow.yaml. */
  configFile: string | undefined;
  workflowBundlePath: string | undefined;
};

/** An agent as a program: stdout says when it is ready, SIGTERM and SIGINT end it. Fails: as the agent does; invalid-config. */
export async function agentProgram({ configFile = DEFAULT_CONFIG_FILE, workflowBundlePath }: AgentProgram): Promise<void> {
  await withEndingSignal(async (signal) =>
    runAgent({
      config: await loadConfig(configFile),
      configFile: resolve(configFile),
      workflowBundlePath,
      logger: createAgentLogger(),
      signal,
      onReady: ({ name }) => process.stdout.write(`agent ${name} ready\n`),
    }),
  );
}

/** SIGHUP too: it comes when a terminal is closed, and nothing here is read anew on it. */
const ENDING = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const;

/** Does the work to its end; SIGTERM, SIGINT and SIGHUP abort its signal. */
export async function withEndingSignal<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const stopping = new AbortController();
  const stop = (): void => stopping.abort();
  for (const signalName of ENDING) process.once(signalName, stop);
  try {
    return await work(stopping.signal);
  } finally {
    for (const signalName of ENDING) process.off(signalName, stop);
  }
}
