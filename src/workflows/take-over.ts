import { ApplicationFailure } from '@temporalio/workflow';
import type { Place } from '../activities/catalogue/locate.ts';
import type { PlannedRestore } from '../activities/restore/plan-restore.ts';
import type { Candidate, Candidates } from '../activities/recovery/recovery-candidates.ts';
import {
  type DisasterRecoveryInput,
  type DisasterRecoveryResult,
  type Loss,
  newerDataDiscarded,
  nothingRecoverable,
  type SeenData,
  type SkippedState,
} from '../contract/disaster-recovery.ts';
import { outcomeOf, type Warning } from '../contract/result.ts';
import { unsavedText } from '../contract/data-summary.ts';
import { isObjectDamage } from '../core/errors/object-damage.ts';
import { cleanup, lockedTransfer, step, survey, transfer } from './activity-proxies.ts';
import { isApprovalWanted, onceAgreed } from './approval.ts';
import { compensate } from './compensation.ts';
import { firstBackup } from './first-backup.ts';
import type { Run } from './run.ts';
import type { GivenUp } from './restart-first.ts';
import { runFailure } from './run-failure.ts';
import { type SwapOutcome, swapInPlace } from './restore-in-place.ts';

type Staged = { candidate: Candidate; plan: PlannedRestore; timeline: string };

type Target = { place: Place; /** What lies on the owner's host. */ givenUp: GivenUp };

/** Fetches the newest state that holds, takes the database over with it, and backs it up on its new timeline. */
export async function takeOver(input: DisasterRecoveryInput, run: Run, target: Target): Promise<DisasterRecoveryResult> {
  const { database } = input;
  const { place } = target;
  run.phase('looking what the recovery would discard');
  const givenUp = await withTargets(database, target);
  run.phase('looking for the newest state that can be recovered');
  const candidates = await step(place).findCandidates({ database, ...wishesOf(input) });
  const fromGeneration = await step(place).readOwnerGeneration({ database });
  const staging: Staging = { input, run, place, givenUp, generation: fromGeneration + 1, skipped: [...candidates.skipped] };
  const staged = await stageNewest(staging, candidates);
  try {
    const agreement = { run, place, input, plan: staged.plan, ...consequenceOf(givenUp) };
    const taken = await onceAgreed(agreement, () => bringUp({ run, place, staged, fromGeneration }));
    const rtoMs = Date.now() - run.startedAtMs;
    const { warnings: firstWarnings, ...first } = await firstBackup(run, place, staged.plan.repository);
    const lost = lossOf(run, { recovered: staged.candidate, candidates, givenUp });
    const warnings = [...staged.plan.warnings, ...taken.warnings, ...firstWarnings, ...warningsOf(staging.skipped, lost, taken)];
    const { warnings: _planned, approval: _policy, ...summary } = staged.plan;
    return {
      ...{ outcome: outcomeOf(warnings), runId: run.runId, database, warnings },
      ...{ ...summary, agent: place.agent, timeline: staged.timeline, generation: taken.generation },
      ...{ skipped: staging.skipped, lost, rtoMs, ...first, ...replacedOf(taken) },
      durationMs: Date.now() - run.startedAtMs,
    };
  } finally {
    await compensate('clearing the staged files', () => cleanup(place).clearStaging({ dataDir: staged.plan.dataDir }));
  }
}

type Staging = { input: DisasterRecoveryInput; run: Run; place: Place; givenUp: GivenUp; generation: number; skipped: SkippedState[] };

/**
 * Tries one state after another; what can't be read or doesn't replay to its digest is skipped, and named. So are the
 * states of a repository that goes away, as long as another repository has one. Fails: backup-not-found.
 */
async function stageNewest(staging: Staging, { usable }: Candidates): Promise<Staged> {
  const { run, skipped } = staging;
  let waiting = usable;
  for (let attempt = 0; ; attempt += 1) {
    const [candidate, ...others] = waiting;
    if (candidate === undefined) throw nothingRecoverable(run.database, skipped);
    const elsewhere = others.filter(({ repository }) => repository !== candidate.repository);
    try {
      return await stage(staging, { candidate, attempt, elsewhere });
    } catch (error) {
      const failure = runFailure(error);
      if (!(failure instanceof ApplicationFailure)) throw error;
      const isAway = failure.type === 'repository-unavailable' && elsewhere.length > 0;
      if (!isAway && !isBadState(failure)) throw error;
      const { label, repository } = candidate;
      skipped.push({ label, repository, code: failure.type ?? 'failed', reason: failure.message });
      waiting = isAway ? elsewhere : others;
    }
  }
}

type Attempt = { candidate: Candidate; attempt: number; /** The states that other repositories hold. */ elsewhere: readonly Candidate[] };

async function stage(staging: Staging, { candidate, attempt, elsewhere }: Attempt): Promise<Staged> {
  const { run, generation } = staging;
  const { database, startedAtMs } = run;
  const { label, repository } = candidate;
  const place = withPatience(staging.place, { label, elsewhere });
  const fetching = elsewhere.length === 0 ? transfer(place) : lockedTransfer(place);
  run.phase(`fetching ${label} from ${repository}`);
  const plan = await step(place).planRestore({ database, repository, backup: label, takeover: { attempt } });
  requireWord(staging, plan);
  const { planKey, dataDir } = plan;
  try {
    const { timeline, warnings } = await fetching.stageWal({ database, repository, planKey, startedAtMs, generation });
    return { candidate, plan: { ...plan, warnings: [...plan.warnings, ...warnings] }, timeline };
  } catch (error) {
    // The next candidate must not find this one's files.
    await compensate('clearing the staged files', () => cleanup(place).clearStaging({ dataDir }));
    throw error;
  }
}

/** A repository that is away is waited for longer if the others hold nothing but older states: what is newer would be lost. */
function withPatience(place: Place, { label, elsewhere }: { label: string; elsewhere: readonly Candidate[] }): Place {
  const { patienceMs, stepGiveUpMs } = place.timing;
  const isOlder = elsewhere.length > 0 && !elsewhere.some((candidate) => candidate.label === label);
  return { ...place, timing: { ...place.timing, patienceMs: isOlder ? Math.max(patienceMs, stepGiveUpMs) : patienceMs } };
}

/** Before anything is fetched. Fails: newer-data-discarded. */
function requireWord({ input, givenUp }: Staging, plan: PlannedRestore): void {
  const seen = unsavedOf(givenUp);
  if (seen.length === 0 || input.discardNewer === true || isApprovalWanted(plan, 'disasterRecovery')) return;
  throw newerDataDiscarded(input, { seen, label: plan.label, ...(givenUp.why === undefined ? {} : { why: givenUp.why }) });
}

/** The data on the host that is taken over to are given up as well. */
async function withTargets(database: string, { place, givenUp }: Target): Promise<GivenUp> {
  if (givenUp.agents.includes(place.agent)) return givenUp;
  const data = await survey(place).surveyData({ database });
  return data === null ? givenUp : { ...givenUp, seen: [...givenUp.seen, { agent: place.agent, data }] };
}

const unsavedOf = ({ seen }: GivenUp): SeenData[] => seen.filter(({ data }) => data.unsavedRecords > 0);

function consequenceOf(givenUp: GivenUp): { consequence?: string } {
  const texts = unsavedOf(givenUp).map(({ agent, data }) => `${unsavedText(data)}, of agent "${agent}"`);
  return texts.length === 0 ? {} : { consequence: `it discards ${texts.join('; and ')}` };
}

function isBadState(failure: ApplicationFailure): boolean {
  const { type } = failure;
  return isObjectDamage(type) || ['digest-different', 'format-unsupported', 'backup-not-found', 'wal-gap'].includes(type ?? '');
}

type Taken = SwapOutcome & { generation: number };

/** Ownership is the fence: it is taken when the new data are proved, and before they go in. */
async function bringUp(of: { run: Run; place: Place; staged: Staged; fromGeneration: number }): Promise<Taken> {
  const { run, place, staged, fromGeneration } = of;
  const { database } = run;
  const { repository, planKey, planHash, label } = staged.plan;
  run.phase('preparing the host');
  const { warnings: prepared } = await transfer(place).prepareHost({ database, repository, label, planHash });
  run.phase('rehearsing: a real server boots on the restored files');
  const { warnings } = await transfer(place).rehearse({ database, repository, planKey });
  run.isCommitted = true;
  run.phase('taking the database over');
  const { generation } = await step(place).takeOwnership({ database, fromGeneration, timeline: staged.timeline, planHash });
  const tail = { repository, startedAtMs: Date.now(), isRequired: false };
  const swapped = await swapInPlace(run, place, { repository, planKey, planHash, tail });
  return { ...swapped, generation, warnings: [...prepared, ...warnings, ...swapped.warnings] };
}

type Facts = { recovered: Candidate; candidates: Candidates; givenUp: GivenUp };

function lossOf(run: Run, { recovered, candidates: { newest }, givenUp }: Facts): Loss {
  const unseen = givenUp.unseen === undefined ? {} : { unseen: givenUp.unseen };
  const known = { sinceMs: recovered.createdAtMs, untilMs: run.startedAtMs, discarded: unsavedOf(givenUp), ...unseen };
  if (newest === undefined || newest.label === recovered.label) return { ...known, knownRecords: 0 };
  return { ...known, knownRecords: Math.max(0, newest.records - recovered.records), knownEnd: newest.extents.end };
}

function warningsOf(skipped: readonly SkippedState[], lost: Loss, taken: Taken): Warning[] {
  const told = skipped.map(({ label, repository, reason }) => ({ code: 'state-skipped', message: `${label} in ${repository}: ${reason}` }));
  const discarded = lost.discarded.map(({ agent, data }) => ({
    code: 'records-lost',
    message: `${unsavedText(data)} are not in the recovered state: they lay in ${data.dataDir} of agent "${agent}"${keptText(taken)}`,
  }));
  if (lost.knownRecords === 0) return [...told, ...discarded];
  const newer = `${lost.knownRecords} records that a newer backup promises are not in the recovered state`;
  return [...told, { code: 'records-lost', message: newer }, ...discarded];
}

function keptText({ replacedAt, savedAs }: Taken): string {
  if (savedAs !== undefined) return `; what was replaced is backup ${savedAs} now`;
  return replacedAt === undefined ? '' : `; what was replaced is kept in ${replacedAt}`;
}

function wishesOf({ repository, target }: DisasterRecoveryInput): { repository?: string; target?: string } {
  return { ...(repository === undefined ? {} : { repository }), ...(target === undefined ? {} : { target }) };
}

function replacedOf({ replacedAt, savedAs }: Taken): Pick<DisasterRecoveryResult, 'replacedAt' | 'savedAs'> {
  return { ...(replacedAt === undefined ? {} : { replacedAt }), ...(savedAs === undefined ? {} : { savedAs }) };
}
