import type { Socket } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { readLiveState } from '../../../src/replay/live-digest.ts';
import { openServer } from '../../../src/database/database.ts';
import { agentConfigSchema } from '../../../src/config/agent-config.ts';
import { type FakeRcpServer, type FakeRequest, sendResult, startFakeRcpServer } from '../../support/fake-rcp-server.ts';

let server: FakeRcpServer | undefined;
afterEach(() => server?.stop());

const RESULTS: Record<string, string> = {
  WAL_STATS: '{"entry_count":2,"segment_count":1,"latest_offset":7}',
  LIST_MACHINES: '{"items":[]}',
  LIST_INSTANCES: `{"instances":[${['a', 'b'].map((id) => `{"id":"${id}","machine":"m","version":1,"state":"s","last_wal_offset":1}`).join()}],"total":2}`,
};
const INSTANCE = '{"machine":"m","version":1,"state":"s","ctx":null,"last_wal_offset":1}';

/** `isSilent` says which requests the server leaves unanswered. */
async function readFrom(isSilent: (request: FakeRequest) => boolean): Promise<{ read: string[]; reports: unknown[] }> {
  server = await startFakeRcpServer((request: FakeRequest, socket: Socket) => {
    if (!isSilent(request)) sendResult(socket, request, RESULTS[request.op] ?? INSTANCE);
  });
  const { timing } = agentConfigSchema.parse({ repositories: {}, databases: {}, timing: { serverRequestMs: 200 } });
  const reports: unknown[] = [];
  const caller = { signal: new AbortController().signal, report: (facts: unknown): void => void reports.push(facts) };
  const { address } = server;
  const live = openServer(
    { server: { address, configFiles: [] }, service: { kind: 'none' }, dataDir: '/nonexistent', startTimeoutMs: 0 },
    timing,
  );
  const { consumer } = await readLiveState(live, caller, () => {
    const read: string[] = [];
    return { read, addMachine: () => undefined, addInstance: ({ id }: { id: string }) => void read.push(id) };
  });
  return { read: consumer.read, reports };
}

it('gives up on a server that stops answering, with a code and what it had shown', async () => {
  const reading = readFrom(({ params }) => params['instance_id'] === 'b');
  await expect(reading).rejects.toMatchObject({
    code: 'comparison-unfinished',
    details: { instancesRead: 1, instancesListed: 2 },
    message: expect.stringMatching(/showed 1 of 2 instances, .*3 tries.*did not answer GET_INSTANCE/) as string,
  });
});

it('begins anew where the server falls silent once, and counts what it read then alone', async () => {
  let isFirst = true;
  const { read, reports } = await readFrom(({ params }) => {
    const silent = isFirst && params['instance_id'] === 'b';
    if (silent) isFirst = false;
    return silent;
  });
  expect(read).toEqual(['a', 'b']);
  expect(reports).toContainEqual({ comparing: server?.address, instancesDone: 0, instancesTotal: 2 });
});
