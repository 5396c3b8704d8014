import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { STEP_SUMMARIES } from '../../src/workflows/temporal/step-summaries.ts';
import { type AgentProcess, startAgent } from '../support/agent-process.ts';
import { DATABASE, type DatabaseStack, makeDatabaseStack } from '../support/database-stack.ts';
import { startLoadWriters } from '../support/load-writers.ts';
import { connectTestClient, type TestClient } from '../support/run-workflow.ts';
import { makeNamespace } from '../support/temporal-namespace.ts';
import { waitUntil } from '../support/wait-until.ts';
import { type Ended, runRstow, spawnRstow } from '../integration/cli/rstow-process.ts';

let stack: DatabaseStack;
let agent: AgentProcess;
let temporal: TestClient;
let env: Record<string, string>;

beforeAll(async () => {
  const address = inject('temporalAddress');
  const namespace = await makeNamespace(address);
  env = { TEMPORAL_ADDRESS: address, TEMPORAL_NAMESPACE: namespace };
  const approval = { for: ['restore'], expiresMs: 120_000 };
  stack = await makeDatabaseStack({ temporalAddress: address, namespace, database: { approval } });
  temporal = await connectTestClient(address, namespace);
  const load = await startLoadWriters({ address: stack.address, writers: 2 });
  await load.acknowledgedAtLeast(100);
  await load.stop();
  agent = await startAgent({ configFile: stack.configFile, workflowBundlePath: inject('workflowBundlePath') });
});

afterAll(async () => {
  await agent.kill('SIGKILL');
  await temporal.close();
  await stack.remove();
});

const rstow = (...args: string[]): Promise<Ended> => runRstow(args, env);

type Message = { message_type: string } & Record<string, unknown>;

function messagesOf(stdout: string): Message[] {
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Message);
}

test('backs up, verifies, lists and describes a database: results on stdout, the rest on stderr', async () => {
  const backup = await rstow('backup', DATABASE, '--reason', 'a test');
  expect(backup).toMatchObject({
    exitCode: 0,
    stderr: expect.stringMatching(
      /^started rstow\/orders\/hotBackup\/[0-9a-f-]{36}\nhistory: temporal workflow describe -w rstow\S+ .*\n(?![^]*state digest)/,
    ) as string,
  });
  const label = /^backup +(\S+)$/m.exec(backup.stdout)?.[1];
  expect(label).toMatch(/-hot$/);
  const verified = await rstow('verify', DATABASE, '--level', 'records');
  expect(verified.exitCode).toBe(0);
  expect(verified.stdout).toMatch(new RegExp(`^verified +${label} in local\\nlevel +records\\n`));
  const listed = await rstow('list', DATABASE);
  expect(listed).toMatchObject({ exitCode: 0, stderr: '' });
  expect(listed.stdout).toMatch(new RegExp(`^In use.*\\nLABEL .*\\n${label} .* records$`, 'm'));
  const described = await rstow('info', DATABASE);
  expect(described.stdout).toMatch(/^owner +agent db1 \(installation .*,\s+generation 1\)$/m);
});

test('checks a database: for people, for programs, and for Nagios with its exit codes', async () => {
  await rstow('backup', DATABASE);
  const checked = await rstow('check', DATABASE);
  expect(checked.stdout).toMatch(/^ok +restart-safe: a restart now loses nothing: [0-9,]+ instances in/m);
  expect(checked.stdout.split('\n').every((line) => line.length <= 80)).toBe(true);
  // There is no schedule.
  expect(checked.exitCode).toBe(3);
  expect(checked.stdout).toMatch(new RegExp(`^WARNING +${DATABASE}$`, 'm'));
  const messages = messagesOf((await rstow('check', DATABASE, '--json')).stdout);
  expect(messages.at(-1)).toMatchObject({ message_type: 'summary', severity: 'warning', outcome: 'warnings' });
  const nagios = await rstow('check', DATABASE, '--nagios');
  expect(nagios.exitCode).toBe(1);
  expect(nagios.stdout).toMatch(/^RSTOW WARNING - orders: \S+: [^|\n]* \| 'walBytes'=\d+B .*'instancesLost'=0 .*\n$/);
  const unknown = await rstow('check', 'ordrs', '--nagios');
  expect(unknown).toMatchObject({
    exitCode: 3,
    stdout: expect.stringMatching(/^RSTOW UNKNOWN - ordrs: unknown-database: .*\n$/) as string,
  });
  const nobody = await runRstow(['check', DATABASE, '--nagios'], {
    ...env,
    TEMPORAL_NAMESPACE: await makeNamespace(inject('temporalAddress')),
  });
  expect(nobody).toMatchObject({ exitCode: 3, stdout: expect.stringMatching(/^RSTOW UNKNOWN - orders: agent-unreachable: /) as string });
});

test('ends with JSON lines for programs: a summary last, a failure as a message', async () => {
  const backup = messagesOf((await rstow('backup', DATABASE, '--json')).stdout);
  expect(backup.at(-1)).toMatchObject({ message_type: 'summary', outcome: 'done', database: DATABASE });
  expect(backup.slice(0, -1).every((message) => message.message_type === 'progress')).toBe(true);
  const missing = await rstow('verify', DATABASE, '--backup', '1999', '--json');
  expect(missing.exitCode).toBe(10);
  expect(messagesOf(missing.stdout).at(-1)).toMatchObject({ message_type: 'error', code: 'backup-not-found' });
  expect(missing.stderr).toMatch(/\nerror: backup-not-found: .*\nhint: /);
});

test('shows a plan and changes nothing on a dry run', async () => {
  await rstow('backup', DATABASE);
  const planned = await rstow('restore', DATABASE, '--dry-run');
  expect(planned.exitCode).toBe(0);
  expect(planned.stdout).toMatch(/^would restore +\S+-hot(-2)?\n/);
  await expect(stack.service.isRunning()).resolves.toBe(true);
});

test('prints the id alone and returns with --no-wait', async () => {
  const { exitCode, stdout, stderr } = await rstow('backup', DATABASE, '--no-wait');
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
  const workflowId = stdout.trim();
  expect(await temporal.client.workflow.getHandle(workflowId).result()).toMatchObject({ outcome: 'done' });
});

test('only stops watching on Ctrl-C; the run is then listed, watched and cancelled by the beginning of its id', async () => {
  const waiting = spawnRstow(['restore', DATABASE, '--yes', '--reason', 'waits for approval'], env);
  await waitUntil('the run waits', () => waiting.stderr().includes('waiting for approval: '));
  const interrupted = performance.now();
  waiting.signal('SIGINT');
  expect(await waiting.exitCode).toBe(130);
  expect(performance.now() - interrupted).toBeLessThan(8000);
  const workflowId = /^started (\S+)$/m.exec(waiting.stderr())![1]!;
  expect(waiting.stderr()).toContain(`rstow watch ${workflowId}\n`);

  const short = workflowId.split('/').at(-1)!.slice(0, 8);
  const listed = await rstow('runs', DATABASE);
  expect(listed.stdout).toMatch(new RegExp(`^RUN +WHAT[^]*\\n${short} +restore +${DATABASE} +running `));
  expect(listed.stdout).not.toMatch(/listBackups|describeDatabase|lockDatabase/);
  expect(listed.stdout.split('\n').every((line) => line.length <= 80)).toBe(true);
  expect(await rstow('cancel', short)).toMatchObject({
    exitCode: 0,
    stdout: expect.stringContaining(`asked ${workflowId} to end`) as string,
  });
  const watched = await rstow('watch', short);
  expect(watched).toMatchObject({ exitCode: 1, stderr: expect.stringMatching(/^error: cancelled: /m) as string });
  expect((await rstow('runs', DATABASE, '--json')).stdout).toContain('"state":"cancelled"');
});

test('says of a run that nobody has started, or of a beginning that several have, what to type', async () => {
  expect(await rstow('watch', 'nosuchrun')).toMatchObject({
    exitCode: 2,
    stderr: expect.stringMatching(/^error: invalid-input: no run is called "nosuchrun"; `rstow runs` shows the ids\n/) as string,
  });
  expect((await rstow('cancel', 'rstow/')).stderr).toMatch(/^error: invalid-input: \d+ runs begin with "rstow\/", such as /);
});

test('has Temporal show beside each step what it does', async () => {
  const { stderr } = await rstow('backup', DATABASE);
  const history = await temporal.client.workflow.getHandle(/^started (\S+)$/m.exec(stderr)![1]!).fetchHistory();
  const scheduled = history.events!.filter(({ activityTaskScheduledEventAttributes: step }) => step);
  expect(scheduled.length).toBeGreaterThan(5);
  for (const { activityTaskScheduledEventAttributes: step, userMetadata } of scheduled) {
    const summary = JSON.parse(Buffer.from(userMetadata!.summary!.data!).toString()) as string;
    expect(summary).toBe(STEP_SUMMARIES[step!.activityType!.name as keyof typeof STEP_SUMMARIES]);
  }
});

test('prints the link to a run’s history in the UI whose address is given', async () => {
  const { stderr } = await runRstow(['backup', DATABASE], { ...env, RSTOW_UI: 'https://temporal.example/' });
  const workflow = encodeURIComponent(/^started (\S+)$/m.exec(stderr)![1]!);
  const link = `https://temporal.example/namespaces/${env['TEMPORAL_NAMESPACE']!}/workflows/${workflow}`;
  expect(stderr).toMatch(new RegExp(`^history: ${link}$`, 'm'));
});

test('says at once that no agent is there, in a namespace without one', async () => {
  const lonely = await makeNamespace(inject('temporalAddress'));
  const { exitCode, stderr } = await runRstow(['list', DATABASE, '--namespace', lonely], env);
  expect(exitCode).toBe(17);
  expect(stderr).toMatch(/^error: agent-unreachable: no agent is connected to Temporal at .*\nhint: /);
});

test('asks for a recovery under the one id that services and alerts use', async () => {
  const asked = await rstow('recover', DATABASE, '--no-wait');
  expect(asked).toMatchObject({ exitCode: 0, stdout: `rstow/recovery/${DATABASE}\n` });
  const watched = await rstow('recover', DATABASE, '--json');
  expect(messagesOf(watched.stdout).at(-1)).toMatchObject({ message_type: 'summary', outcome: 'not-needed' });
  const rows = async (): Promise<string> => (await rstow('runs', DATABASE)).stdout;
  await expect.poll(rows, { timeout: 10_000 }).toMatch(new RegExp(`^\\S+ +disasterRecovery +${DATABASE} +not-needed `, 'm'));
});

test('lists a run of a database that failed before it met an agent', async () => {
  const { exitCode, stderr } = await rstow('verify', DATABASE, '--repository', 'misspelt');
  expect({ exitCode, stderr }).toMatchObject({ exitCode: 10, stderr: expect.stringContaining('error: unknown-repository: ') as string });
  const id = /^started \S+\/([0-9a-f]{8})/m.exec(stderr)![1]!;
  const rows = async (): Promise<string> => (await rstow('runs', DATABASE)).stdout;
  await expect.poll(rows, { timeout: 10_000 }).toMatch(new RegExp(`^${id} +verifyBackup +${DATABASE} +failed `, 'm'));
});

test('prints the command that approves it for whoever watches a run that waits for approval', async () => {
  const waiting = spawnRstow(['restore', DATABASE, '--yes'], env);
  await waitUntil('the command is printed', () => waiting.stderr().includes('waiting for approval: '));
  const command = /`rstow (approve \S+ --plan [0-9a-f]{64})`/.exec(waiting.stderr())![1]!.split(' ');
  const byTheSame = await rstow(...command);
  expect(byTheSame.exitCode).toBe(16);
  expect(byTheSame.stderr).toMatch(/^error: approval-denied: .* asked for this run, .* another person has to approve it\nhint: /);
  const [approve, workflowId, ...plan] = command as [string, string, ...string[]];
  const short = workflowId.split('/').at(-1)!.slice(0, 8);
  expect(await rstow(approve, short, ...plan, '--by', 'bob')).toMatchObject({ exitCode: 0, stdout: `approve: taken by ${workflowId}\n` });
  expect(await waiting.exitCode).toBe(0);
  expect(waiting.stdout()).toMatch(/^restored +\S+-hot/);
});

test('says that the server does not use TLS if the settings ask for it', async () => {
  const { exitCode, stderr } = await runRstow(['list', DATABASE], { ...env, TEMPORAL_TLS: 'true' });
  expect(exitCode).toBe(17);
  expect(stderr).toMatch(
    /^error: temporal-unreachable: the Temporal server at \S+ does not use TLS, but the settings ask for it \(named by .+\)\nhint: .*TEMPORAL_TLS/m,
  );
});

test.each([
  [
    'a misspelt run',
    ['approve', 'rstow/orders/restore/misspelt', '--plan', 'f'.repeat(64)],
    /^error: invalid-input: no run is called "rstow.*misspelt"; `rstow runs` shows the ids\nhint: /,
  ],
  [
    'a misspelt namespace',
    ['deny', 'rstow/orders/restore/x', '--reason', 'no', '--namespace', 'nowhere'],
    /^error: invalid-input: Temporal has no namespace "nowhere"\nhint: Correct --namespace, TEMPORAL_NAMESPACE or temporal\.namespace/,
  ],
])('says of %s that there is none, in one sentence', async (_name, args, says) => {
  const { exitCode, stderr } = await rstow(...args);
  expect({ exitCode, stderr }).toEqual({ exitCode: 2, stderr: expect.stringMatching(says) as string });
});

// The last one: it leaves no agent.
