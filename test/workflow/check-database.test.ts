import { afterAll, beforeAll, beforeEach, expect, inject, it } from 'vitest';
import type { CheckDatabaseResult } from '../../src/contract/check-database.ts';
import { RstowError } from '../../src/core/errors/rstow-error.ts';
import { DATABASE, type FakeAgent, startFakeAgent } from './fake-agent.ts';
import { failureOf } from './failures.ts';
import { LABEL, PROTECTION, RESTART } from './plausible-answers.ts';

let agent: FakeAgent;

beforeAll(async () => {
  agent = await startFakeAgent({ temporalAddress: inject('temporalAddress'), workflowBundlePath: inject('workflowBundlePath') });
});
beforeEach(() => agent.reset());
afterAll(() => agent.stop());

const check = (): Promise<CheckDatabaseResult> => agent.execute<CheckDatabaseResult>('checkDatabase', { database: DATABASE });
const bad = ({ findings }: CheckDatabaseResult): string[] =>
  findings.filter(({ severity }) => severity !== 'ok').map(({ severity, code }) => `${severity} ${code}`);

it('is done where all is well, and completes with warnings where a restart would lose data', async () => {
  expect(await check()).toMatchObject({ outcome: 'done', severity: 'ok', warnings: [] });
  const lacking = { count: 12, first: ['a', 'b', 'c'] };
  const compared = RESTART.compared && { ...RESTART.compared, instances: { ...RESTART.compared.instances, lacking } };
  agent.verbs.surveyRestart = async () => ({ ...RESTART, compared });
  const result = await check();
  expect(result).toMatchObject({ outcome: 'warnings', severity: 'critical' });
  expect(bad(result)).toEqual(['critical restart-loses']);
  expect(result.warnings).toEqual([
    {
      code: 'restart-loses',
      message: expect.stringMatching(/^a restart now would lose 12 instances \(a, b, c, …\): Don’t restart/) as string,
    },
  ]);
});

it('calls a backup that lacks copies critical once its run has ended, or has taken long', async () => {
  const described = async (ageMs: number, endedMsAgo: number | undefined, backups = 4): Promise<string[]> => {
    const newest = { label: LABEL, createdAtMs: Date.now() - ageMs, end: '200' };
    const copies = [{ repository: 'local', newest }, { repository: 'far' }];
    const lastBackup = endedMsAgo === undefined ? null : { workflowId: 'w', endedAtMs: Date.now() - endedMsAgo };
    agent.verbs.describeProtection = async () => ({ ...PROTECTION, copies, quorum: 2, lastBackup, backups });
    return bad(await check()).filter((finding) => /copies|quorum/.test(finding));
  };
  const [open, ended] = [['warning copies-lacking'], ['critical quorum-not-reached']];
  expect(await described(60_000, 600_000)).toEqual(open);
  expect(await described(60_000, 30_000)).toEqual(ended);
  expect(await described(3_600_000, 7_200_000)).toEqual(ended);
  expect(await described(60_000, undefined, 1)).toEqual(open);
  expect(await described(60_000, undefined)).toEqual(ended);
});

it('goes on without a repository that it can’t read, and without an owner that is silent', async () => {
  const away = new RstowError('format-unsupported', 'it is a newer rstow’s');
  agent.verbs.describeProtection = () => Promise.reject(away);
  agent.verbs.surveyArchive = () => Promise.reject(away);
  expect(bad(await check())).toEqual(['unknown repository-unknown', 'unknown archive-unknown']);
  agent.reset();
  const { promise: answer, resolve: answerAtLast } = Promise.withResolvers<typeof agent.place>();
  agent.verbs.locateDatabase = () => answer;
  // Without its host’s limits the age of the checks counts by the defaults.
  agent.verbs.describeProtection = async () => ({ ...PROTECTION, window: null });
  const findings = bad(await check());
  answerAtLast(agent.place);
  expect(findings).toEqual(['unknown restart-unknown', 'unknown agent-unreachable', 'unknown archive-unknown', 'unknown host-unknown']);
}, 60_000);

it('fails where nobody answers who could say anything', async () => {
  const silent = new RstowError('agent-unreachable', 'no agent answers');
  agent.verbs.locateDatabase = () => Promise.reject(silent);
  agent.verbs.locateAnyAgent = () => Promise.reject(silent);
  expect((await failureOf(agent.execute('checkDatabase', { database: DATABASE }))).type).toBe('agent-unreachable');
}, 60_000);
