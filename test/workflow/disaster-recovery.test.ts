import { afterAll, beforeAll, beforeEach, expect, inject, it } from 'vitest';
import type { DataSummary } from '../../src/contract/data-summary.ts';
import type { DisasterRecoveryResult } from '../../src/contract/disaster-recovery.ts';
import { ABORT_SIGNAL, APPROVE_UPDATE } from '../../src/contract/messages.ts';
import { lockWorkflowId, PROGRESS_QUERY } from '../../src/contract/names.ts';
import type { Progress } from '../../src/contract/result.ts';
import type { ErrorCode } from '../../src/core/errors/error-table.ts';
import { RstowError } from '../../src/core/errors/rstow-error.ts';
import { AGENT, DATABASE, type FakeAgent, startFakeAgent, verbsOf } from './fake-agent.ts';
import { failureOf, statusOf } from './failures.ts';
import { holdVerb } from './held-verb.ts';
import { BACKED_UP, CANDIDATE, LABEL, PLANNED, POINT } from './plausible-answers.ts';

let agent: FakeAgent;

beforeAll(async () => {
  agent = await startFakeAgent({ temporalAddress: inject('temporalAddress'), workflowBundlePath: inject('workflowBundlePath') });
});
beforeEach(() => agent.reset());
afterAll(() => agent.stop());

const input = { database: DATABASE };
const SELECTED = ['inspectLiveDatabase', 'inspectLiveDatabase', 'restartServer', 'findCandidates', 'readOwnerGeneration'];
const PROVED = [...SELECTED, 'planRestore', 'stageWal', 'prepareHost', 'rehearse'];
const UP = [...PROVED, 'takeOwnership', 'storeReplaced', 'nameSwap', 'swapIn', 'verifyLive'];
const ALL = [...UP, ...BACKED_UP, 'clearStaging'];

const failing =
  (code: ErrorCode, sentence = 'as planted') =>
  async (): Promise<never> =>
    Promise.reject(new RstowError(code, sentence));

const inputOf = (verb: string): unknown => agent.calls.find((call) => call.verb === verb)?.input;

it('selects, fetches, prepares, rehearses, takes the database over, swaps, compares, backs up, and clears', async () => {
  const result = await agent.execute<DisasterRecoveryResult>('disasterRecovery', input);
  expect(result).toMatchObject({
    outcome: 'done',
    label: LABEL,
    agent: AGENT,
    generation: 2,
    timeline: '0002',
    skipped: [],
    laterRequests: 0,
  });
  const { sinceMs, ...lost } = result.lost!;
  expect(sinceMs).toBe(CANDIDATE.createdAtMs);
  expect(lost).toMatchObject({ knownRecords: 0, discarded: [], unseen: 'there is no log in the data directory of agent "db1"' });
  expect(result.firstBackup).toEqual({ label: LABEL, piecesStored: 1, bytesStored: 200 });
  expect(verbsOf(agent)).toEqual(ALL);
  expect(inputOf('stageWal')).toMatchObject({ generation: 2 });
  expect(inputOf('takeOwnership')).toMatchObject({ fromGeneration: 1, timeline: '0002' });
});

it.each([
  [{ isUp: true, isAsNew: true }, {}, 'not-needed'],
  [{ isUp: true, isAsNew: false }, {}, 'done'],
  [{ isUp: false, isAsNew: false }, {}, 'done'],
  [{ isUp: true, isAsNew: true }, { force: true }, 'done'],
])('where the database is %o and the input says %o it ends as %s', async (live, more, outcome) => {
  agent.verbs.inspectLiveDatabase = async () => live;
  const result = await agent.execute<DisasterRecoveryResult>('disasterRecovery', { ...input, ...more });
  expect(result.outcome).toBe(outcome);
  expect(verbsOf(agent).includes('takeOwnership')).toBe(outcome === 'done');
});

const NEWER: DataSummary = {
  ...{ dataDir: '/data', timeline: '0001', records: 26, instances: 4, lastWriteAtMs: 1_795_000_100_000, backup: LABEL },
  ...{ unsavedRecords: 7, unsavedBytes: 700 },
};

it('leaves whole data in place, starts their server, and backs up what is new in them', async () => {
  agent.verbs.restartServer = async () => ({ kind: 'restarted', found: NEWER, warnings: [] });
  const result = await agent.execute<DisasterRecoveryResult>('disasterRecovery', input);
  expect(result).toMatchObject({ outcome: 'restarted', agent: AGENT, found: { agent: AGENT, data: NEWER }, warnings: [] });
  expect(verbsOf(agent)).toEqual(['inspectLiveDatabase', 'inspectLiveDatabase', 'restartServer', ...BACKED_UP]);
});

it('discards newer data on a person’s approval, who is told of them, or on an explicit word, and not else', async () => {
  agent.verbs.restartServer = async () => ({ kind: 'no', found: NEWER, why: 'no server starts' });
  const failure = await failureOf(agent.execute('disasterRecovery', input));
  expect(failure).toMatchObject({ type: 'newer-data-discarded', details: [{ records: 7, lastWriteAtMs: NEWER.lastWriteAtMs }] });
  expect(verbsOf(agent)).not.toContain('stageWal');
  const discarding = await agent.execute<DisasterRecoveryResult>('disasterRecovery', { ...input, discardNewer: true });
  expect(discarding).toMatchObject({ label: LABEL, lost: { discarded: [{ agent: AGENT, data: NEWER }] } });
  agent.verbs.planRestore = async () => ({ ...PLANNED, approval: { for: ['disasterRecovery'], expiresMs: 60_000 } });
  const run = await agent.start('disasterRecovery', input);
  const waiting = async (): Promise<Progress> => run.query<Progress>(PROGRESS_QUERY);
  await expect.poll(async () => (await waiting()).phase).toBe('waiting for approval');
  expect((await waiting()).waitsFor).toContain('it discards 7 records that no backup holds');
  await run.executeUpdate(APPROVE_UPDATE, { args: [{ planHash: PLANNED.planHash, by: 'bob' }] });
  expect(await run.result()).toMatchObject({ label: LABEL, lost: { discarded: [{ agent: AGENT }] } });
});

it.each([
  [{}, ['locateDatabase', 'locateDatabase', 'locateStandby']],
  [{ agent: AGENT }, ['locateAgent', 'locateAgent', 'locateDatabase', 'locateDatabase', 'locateStandby']],
])('with the input %o it asks the owner, twice, and who is to take over: %j', async (more, asked) => {
  await agent.execute('disasterRecovery', { ...input, ...more });
  // The first two are asked side by side.
  const located = agent.calls.map(({ verb }) => verb).filter((verb) => verb.startsWith('locate'));
  expect(located.toSorted()).toEqual(asked);
});

it('looks again once it has the lock, and leaves a database alone that has come up meanwhile', async () => {
  let looks = 0;
  agent.verbs.inspectLiveDatabase = async () => ({ isUp: (looks += 1) > 1, isAsNew: true });
  expect((await agent.execute<DisasterRecoveryResult>('disasterRecovery', input)).outcome).toBe('not-needed');
  expect(verbsOf(agent)).toEqual(['inspectLiveDatabase', 'inspectLiveDatabase']);
});

it('tells all of its result where only the first backup failed, with a warning', async () => {
  agent.verbs.pinWal = failing('not-enough-space');
  const result = await agent.execute<DisasterRecoveryResult>('disasterRecovery', input);
  expect(result).toMatchObject({ outcome: 'warnings', label: LABEL, generation: 2, lost: { knownRecords: 0 } });
  expect(result.warnings).toEqual([
    { code: 'not-enough-space', message: expect.stringMatching(/^the data are in place, but their history has no backup yet/) as string },
  ]);
  expect(verbsOf(agent)).toEqual([...UP, 'prepareBackup', 'pinWal', 'unpinWal', 'clearStaging']);
});

it.each(PROVED.slice(1))('never takes the database over when %s fails, and leaves nothing staged', async (verb) => {
  agent.verbs = { [verb]: failing('not-enough-space') };
  expect(await failureOf(agent.execute('disasterRecovery', input))).toMatchObject({ message: 'not-enough-space: as planted' });
  const begun = PROVED.slice(0, PROVED.indexOf(verb) + 1);
  expect(verbsOf(agent)).toEqual(begun.includes('stageWal') ? [...begun, 'clearStaging'] : begun);
});

it('swaps nothing where another installation became the owner meanwhile', async () => {
  agent.verbs.takeOwnership = failing('owner-outdated');
  expect(await failureOf(agent.execute('disasterRecovery', input))).toMatchObject({ type: 'owner-outdated' });
  expect(verbsOf(agent)).toEqual([...PROVED, 'takeOwnership', 'clearStaging']);
});

it.each([
  ['swapIn', 'service-start-failed'],
  ['verifyLive', 'digest-different'],
] as const)('puts the new host’s own data back when %s fails with %s', async (verb, code) => {
  agent.verbs = { [verb]: failing(code) };
  const failure = await failureOf(agent.execute('disasterRecovery', input));
  expect(failure).toMatchObject({ type: code, message: `${code}: as planted; the replaced data are back in place` });
  expect(verbsOf(agent)).toEqual([...UP.slice(0, UP.indexOf(verb) + 1), 'rollBack', 'clearStaging']);
});

it('rolls nothing back on a host that had no data', async () => {
  agent.verbs = {
    nameSwap: async () => ({ oldWal: null, newWal: { inode: '12' }, stagedWal: 'staged', replacedDir: 'replaced' }),
    swapIn: failing('service-start-failed'),
  };
  expect(await failureOf(agent.execute('disasterRecovery', input))).toMatchObject({ message: 'service-start-failed: as planted' });
  expect(verbsOf(agent)).not.toContain('rollBack');
});

it('looks no further than the target, where one is named, and in the repository that is', async () => {
  const asked: unknown[] = [];
  agent.verbs = {
    findCandidates: async (wanted) => {
      asked.push(wanted);
      return { usable: [CANDIDATE], skipped: [], newest: CANDIDATE };
    },
  };
  await agent.execute('disasterRecovery', input);
  await agent.execute('disasterRecovery', { ...input, target: LABEL, repository: 'local' });
  expect(asked).toEqual([{ database: DATABASE }, { database: DATABASE, target: LABEL, repository: 'local' }]);
});

it.each(['damaged-object', 'digest-different'] as const)(
  'tries the next state where the first is found with %s, and names it',
  async (code) => {
    const older = { ...CANDIDATE, label: '20261123T101500Z-hot', records: 12 };
    const [attempts, begun]: [unknown[], string[]] = [[], []];
    agent.verbs = {
      findCandidates: async () => ({ usable: [CANDIDATE, older], skipped: [], newest: CANDIDATE }),
      planRestore: async ({ backup, takeover }) => {
        attempts.push(takeover);
        begun.push(backup);
        return { ...PLANNED, label: backup, records: backup === LABEL ? CANDIDATE.records : older.records };
      },
      stageWal: async () => {
        if (begun.length === 1) throw new RstowError(code, 'as planted');
        return { timeline: '0002', records: 12, warnings: [] };
      },
    };
    const result = await agent.execute<DisasterRecoveryResult>('disasterRecovery', input);
    expect(result).toMatchObject({ outcome: 'warnings', label: older.label, lost: { knownRecords: 7, knownEnd: CANDIDATE.extents.end } });
    expect(result.skipped).toEqual([{ label: LABEL, repository: 'local', code, reason: `${code}: as planted` }]);
    expect(result.warnings.map((warning) => warning.code)).toEqual(['state-skipped', 'records-lost']);
    expect([begun, attempts]).toEqual([
      [LABEL, older.label],
      [{ attempt: 0 }, { attempt: 1 }],
    ]);
    expect(verbsOf(agent).slice(SELECTED.length, SELECTED.length + 5)).toEqual([
      'planRestore',
      'stageWal',
      'clearStaging',
      'planRestore',
      'stageWal',
    ]);
  },
);

it('takes what the archive holds beyond the newest backup, and that backup if what it holds is damaged', async () => {
  const archived = { ...CANDIDATE, extents: { ...CANDIDATE.extents, end: POINT.end }, archivedTimeline: '0001' };
  const gone = { ...POINT, warnings: [{ code: 'wal-gap', message: 'the rest is out of reach' }] };
  const plans: string[] = [];
  agent.verbs = {
    findCandidates: async () => ({ usable: [archived, CANDIDATE], skipped: [], newest: archived }),
    findPoint: async () => gone,
    planRestore: async ({ backup, pointKey }) => {
      plans.push(`${backup} ${String(pointKey)}`);
      return { ...PLANNED, label: backup };
    },
  };
  const result = await agent.execute<DisasterRecoveryResult>('disasterRecovery', input);
  expect(result).toMatchObject({ outcome: 'warnings', label: LABEL, archivedUntilMs: POINT.sinceMs, warnings: gone.warnings, skipped: [] });
  expect(result.lost).toMatchObject({ sinceMs: POINT.sinceMs, knownRecords: 0 });
  expect(inputOf('findPoint')).toMatchObject({ target: { latest: true }, timeline: '0001', isBestEffort: true });
  agent.verbs.findPoint = failing('damaged-object', 'as planted');
  const fallenBack = await agent.execute<DisasterRecoveryResult>('disasterRecovery', input);
  expect(fallenBack).toMatchObject({ label: LABEL, lost: { sinceMs: CANDIDATE.createdAtMs, knownRecords: 0, knownEnd: POINT.end } });
  expect(fallenBack.archivedUntilMs).toBeUndefined();
  expect(fallenBack.warnings).toMatchObject([
    { code: 'state-skipped', message: expect.stringContaining('what the archive holds beyond it: damaged-object: as planted') as string },
  ]);
  expect(plans).toEqual([`${LABEL} ${POINT.pointKey}`, `${LABEL} undefined`]);
});

it.each([
  ['the same state', LABEL, { patienceMs: 300, stepGiveUpMs: 600_000 }],
  ['an older state, after a longer wait,', '20261123T101500Z-hot', { patienceMs: 100, stepGiveUpMs: 1_000 }],
])('takes %s from the next repository if the first one goes away while it is read', async (_which, label, timing) => {
  Object.assign(agent.place.timing, timing);
  const [nextInIt, ofCopy] = [
    { ...CANDIDATE, label: '20261123T111500Z-hot' },
    { ...CANDIDATE, label, repository: 'copy' },
  ];
  agent.verbs = {
    findCandidates: async () => ({ usable: [CANDIDATE, nextInIt, ofCopy], skipped: [], newest: CANDIDATE }),
    planRestore: async ({ backup, repository }) => ({ ...PLANNED, label: backup, repository: repository! }),
    stageWal: async ({ repository }) => {
      if (repository === 'local') throw new RstowError('repository-unavailable', 'it is not mounted');
      return { timeline: '0002', records: 19, warnings: [] };
    },
  };
  const beganAtMs = Date.now();
  const result = await agent.execute<DisasterRecoveryResult>('disasterRecovery', input);
  expect(result).toMatchObject({ outcome: 'warnings', label, repository: 'copy' });
  const reason = 'repository-unavailable: it is not mounted';
  expect(result.skipped).toEqual([{ label: LABEL, repository: 'local', code: 'repository-unavailable', reason }]);
  if (label !== LABEL) expect(Date.now() - beganAtMs).toBeGreaterThan(timing.stepGiveUpMs / 2);
});

it('waits for a repository that goes away if no other one has a state', async () => {
  agent.place.timing.patienceMs = 0;
  let reads = 0;
  agent.verbs.stageWal = async () => {
    reads += 1;
    if (reads < 3) throw new RstowError('repository-unavailable', 'it is not mounted');
    return { timeline: '0002', records: 19, warnings: [] };
  };
  expect(await agent.execute('disasterRecovery', input)).toMatchObject({ outcome: 'done', label: LABEL, skipped: [] });
});

it('says why for each state where none can be recovered', async () => {
  agent.verbs.stageWal = failing('damaged-object');
  const failure = await failureOf(agent.execute('disasterRecovery', input));
  expect(failure).toMatchObject({
    type: 'backup-not-found',
    message: expect.stringContaining(`${LABEL} in local: damaged-object`) as string,
  });
  expect(verbsOf(agent)).not.toContain('takeOwnership');
});

it.each(['verifyLive', 'storeSegments'])('gives up the first backup on an abort in %s, and tells what is in place', async (verb) => {
  const held = holdVerb({ warnings: [] });
  agent.verbs = { [verb]: held.verb };
  const run = await agent.start('disasterRecovery', input);
  await held.reached;
  await run.signal(ABORT_SIGNAL);
  held.letGo();
  expect(await run.result()).toMatchObject({ outcome: 'warnings', label: LABEL, warnings: [{ code: 'cancelled' }] });
  expect(verbsOf(agent)).not.toContain('writeManifest');
  expect(verbsOf(agent).at(-1)).toBe('clearStaging');
});

it.each([...new Set(PROVED), 'takeOwnership', 'swapIn'])('heeds an abort while %s is done, and clears', async (verb) => {
  const held = holdVerb(undefined);
  agent.verbs = { [verb]: held.verb };
  const run = await agent.start('disasterRecovery', input);
  await held.reached;
  await run.signal(ABORT_SIGNAL);
  const failure = await failureOf(run.result());
  expect(failure).toMatchObject({ type: 'cancelled', message: expect.stringContaining('the recovery was aborted at: ') as string });
  const begun = verbsOf(agent);
  expect(begun.filter((done) => ALL.includes(done) && !['unpinWal', 'clearStaging'].includes(done)).at(-1)).toBe(verb);
  expect(begun.includes('clearStaging')).toBe(ALL.indexOf(verb) > ALL.indexOf('planRestore'));
  expect(begun.includes('unpinWal')).toBe(ALL.indexOf(verb) > ALL.indexOf('prepareBackup'));
  if (begun.includes('findCandidates')) expect(await statusOf(agent.client.workflow.getHandle(lockWorkflowId(DATABASE)))).toBe('COMPLETED');
});
