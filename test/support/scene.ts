/** A database, its agent and a client, in a Temporal namespace of their own: test files share a server, but no queue. */
import { type AgentProcess, startAgent } from './agent-process.ts';
import { type DatabaseStack, makeDatabaseStack, type StackOptions } from './database-stack.ts';
import { connectTestClient, type TestClient } from './run-workflow.ts';
import { makeNamespace } from './temporal-namespace.ts';

export type SharedServices = { temporalAddress: string; workflowBundlePath?: string; agentStartTimeoutMs?: number };

export type Scene = {
  namespace: string;
  temporalAddress: string;
  stack: DatabaseStack;
  temporal: TestClient;
  /** The agent of `stack.configFile`. */
  agent: AgentProcess;
  /** One more agent process; `close` ends it too. */
  startAgent: (configFile: string) => Promise<AgentProcess>;
  close: () => Promise<void>;
};

/** Starts everything and waits until the agent is ready. */
export async function openScene(shared: SharedServices, options: Omit<StackOptions, 'temporalAddress' | 'namespace'> = {}): Promise<Scene> {
  const scene = await openSceneWithoutAgent(shared, options);
  try {
    return { ...scene, agent: await scene.startAgent(scene.stack.configFile) };
  } catch (error) {
    await scene.close();
    throw error;
  }
}

/** For tests about how agents come to own a database. */
export async function openSceneWithoutAgent(
  { temporalAddress, workflowBundlePath, agentStartTimeoutMs: startTimeoutMs = 60_000 }: SharedServices,
  options: Omit<StackOptions, 'temporalAddress' | 'namespace'> = {},
): Promise<Omit<Scene, 'agent'>> {
  const namespace = await makeNamespace(temporalAddress);
  const stack = await makeDatabaseStack({ temporalAddress, namespace, ...options });
  const temporal = await connectTestClient(temporalAddress, namespace);
  const agents: AgentProcess[] = [];
  const bundle = workflowBundlePath === undefined ? {} : { workflowBundlePath };
  return {
    namespace,
    temporalAddress,
    stack,
    temporal,
    startAgent: async (configFile) => {
      const agent = await startAgent({ configFile, startTimeoutMs, ...bundle });
      agents.push(agent);
      return agent;
    },
    close: async () => {
      await temporal.close();
      await Promise.all(agents.map((agent) => agent.kill()));
      await stack.remove();
    },
  };
}
