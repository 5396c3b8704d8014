/** Agents of one test file: their databases, their namespace, and the end of all of them. */
import { Connection } from '@temporalio/client';
import { inject } from 'vitest';
import { type AgentProcess, startAgent } from '../../support/agent-process.ts';
import { makeNamespace } from '../../support/temporal-namespace.ts';

export type AgentScene = {
  address: string;
  namespace: string;
  connection: Connection;
  start: (configFile: string, options?: { waitsForReady?: boolean }) => Promise<AgentProcess>;
  /** The identities that poll a queue for activities. */
  pollers: (taskQueue: string) => Promise<string[]>;
  /** Ends every agent that still runs. */
  endAgents: () => Promise<void>;
  close: () => Promise<void>;
};

/** temporal.api.enums.v1.TaskQueueType */
const ACTIVITIES = 2;

export async function makeAgentScene(): Promise<AgentScene> {
  const address = inject('temporalAddress');
  const namespace = await makeNamespace(address);
  const connection = await Connection.connect({ address });
  const agents: AgentProcess[] = [];
  const endAgents = async (): Promise<void> => {
    await Promise.all(agents.splice(0).map((agent) => agent.kill('SIGKILL')));
  };
  return {
    address,
    namespace,
    connection,
    start: async (configFile, options = {}) => {
      const agent = await startAgent({ configFile, workflowBundlePath: inject('workflowBundlePath'), ...options });
      agents.push(agent);
      return agent;
    },
    pollers: async (taskQueue) => {
      const request: object = { namespace, taskQueue: { name: taskQueue }, taskQueueType: ACTIVITIES };
      const { pollers } = await connection.workflowService.describeTaskQueue(request);
      return pollers.map(({ identity }) => identity ?? '');
    },
    endAgents,
    close: async () => {
      await endAgents();
      await connection.close();
    },
  };
}
