/** The archive's workflow over as many turns as a follower takes in days: each is over at once. */
import { archiveWorkflowId, WORKFLOW_QUEUE } from '../../../src/contract/names.ts';
import { ARCHIVED } from '../../../test/workflow/plausible-answers.ts';
import { DATABASE, startFakeAgent } from '../../../test/workflow/fake-agent.ts';
import { waitUntil } from '../../../test/support/wait-until.ts';

export type ArchiveTurns = {
  turns: number;
  /** How many times it began again. */
  executions: number;
  /** Events of the longest history. */
  eventsMost: number;
  bytesMost: number;
  eventsOfTurn: number;
  open: number;
};

const PATIENCE_MS = 600_000;

export async function turnArchive(shared: { temporalAddress: string; workflowBundlePath: string }, turns: number): Promise<ArchiveTurns> {
  const agent = await startFakeAgent(shared);
  try {
    agent.verbs.followLog = async () => Promise.resolve(ARCHIVED);
    const taken = (): number => agent.calls.filter(({ verb }) => verb === 'followLog').length;
    const workflowId = archiveWorkflowId(DATABASE);
    await agent.client.workflow.start('archiveWal', { workflowId, taskQueue: WORKFLOW_QUEUE, args: [{ database: DATABASE }] });
    await waitUntil(`${turns} turns are over`, () => taken() >= turns, PATIENCE_MS);
    const counted = taken();
    const histories: { events: number; bytes: number; isOpen: boolean }[] = [];
    for await (const { runId } of agent.client.workflow.list({ query: `WorkflowId = '${workflowId}'` })) {
      const { historyLength, historySize = 0, status } = await agent.client.workflow.getHandle(workflowId, runId).describe();
      histories.push({ events: historyLength, bytes: historySize, isOpen: status.name === 'RUNNING' });
    }
    await agent.client.workflow.getHandle(workflowId).terminate('enough turns');
    const events = histories.reduce((sum, history) => sum + history.events, 0);
    return {
      turns: counted,
      executions: histories.length,
      eventsMost: Math.max(...histories.map((history) => history.events)),
      bytesMost: Math.max(...histories.map((history) => history.bytes)),
      eventsOfTurn: Number((events / counted).toFixed(1)),
      open: histories.filter(({ isOpen }) => isOpen).length,
    };
  } finally {
    await agent.stop();
  }
}
