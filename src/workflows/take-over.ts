import type { Activities } from '../activities/activities.ts';
import type { Place } from '../activities/catalogue/locate.ts';
import type { FoundPoint } from '../activities/recovery-point/find-point.ts';
import type { PlannedRestore } from '../activities/restore/plan-restore.ts';
import type { Candidate, Candidates } from '../activities/recovery/recovery-candidates.ts';
import type { ServedBytes } from '../contract/copy-backups.ts';
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
import { isObjectDamage } from '../core/errors/error-table.ts';
import { RstowError, sentenceOf } from '../core/errors/rstow-error.ts';
import { type Engine, isApprovalWanted } from './engine.ts';
import { firstBackup } from './hot-backup.ts';
import type { GivenUp } from './restart-first.ts';
import { clearStaged, fetchPlanned, planRestore, rehearse, type SwapOutcome, swapInPlace } from './restore-steps.ts';

type Staged = {
  candidate: Candidate;
  plan: PlannedRestore;
  timeline: string;
  served: ServedBytes[] | undefined;
  /** If the archive has been read: all that had come by then is in the state (Unix ms). */
  archivedUntilMs?: number | undefined;
};

type Target = { place: Place; /** What lies on the owner's host. */ givenUp: GivenUp };

/** Fetches the newest state that holds, takes the database over with it, and backs it up on its new timeline. */
export async function takeOver(input: DisasterRecoveryInput, engine: Engine, target: Target): Promise<DisasterRecoveryResult> {
  const { database } = input;
  const { place } = target;
  const givenUp = await withTargets(engine, target);
  engine.phase('looking for the newest state that can be recovered');
  const candidates = await engine.steps(place).findCandidates({ database, repository: input.repository, target: input.target });
  const fromGeneration = await engine.steps(place).readOwnerGeneration({ database });
  const staging: Staging = { input, engine, place, givenUp, generation: fromGeneration + 1, skipped: [...candidates.skipped] };
  const staged = await stageNewest(staging, candidates);
  try {
    const agreement = { place, input, plan: staged.plan, consequence: consequenceOf(givenUp) };
    const taken = await engine.agreed(agreement, () => bringUp({ engine, place, staged, fromGeneration }));
    const rtoMs = engine.now() - engine.startedAtMs;
    const first = await firstBackup(engine, place, staged.plan.repository);
    const lost = lossOf(engine, { staged, candidates, givenUp });
    const warnings = [...staged.plan.warnings, ...taken.warnings, ...first.warnings, ...warningsOf(staging.skipped, lost, taken)];
    const { warnings: _planned, approval: _policy, ...summary } = staged.plan;
    return {
      outcome: outcomeOf(warnings),
      runId: engine.runId,
      database,
      warnings,
      ...summary,
      agent: place.agent,
      timeline: staged.timeline,
      served: staged.served,
      generation: taken.generation,
      skipped: staging.skipped,
      archivedUntilMs: staged.archivedUntilMs,
      lost,
      rtoMs,
      firstBackup: first.firstBackup,
      replacedAt: taken.replacedAt,
      savedAs: taken.savedAs,
      durationMs: engine.now() - engine.startedAtMs,
    };
  } finally {
    await clearStaged(engine, place, staged.plan);
  }
}

type Staging = {
  input: DisasterRecoveryInput;
  engine: Engine;
  place: Place;
  givenUp: GivenUp;
  generation: number;
  skipped: SkippedState[];
};

/**
 * Tries one state after another; what can't be read or doesn't replay to its digest is skipped, and named. So are the
 * states of a repository that goes away, as long as another repository has one. Fails: backup-not-found.
 */
async function stageNewest(staging: Staging, { usable }: Candidates): Promise<Staged> {
  const { engine, skipped } = staging;
  let waiting = usable;
  for (let attempt = 0; ; attempt += 1) {
    const [candidate, ...others] = waiting;
    if (candidate === undefined) throw nothingRecoverable(engine.database, skipped);
    const elsewhere = others.filter(({ repository }) => repository !== candidate.repository);
    try {
      return await stage(staging, { candidate, attempt, elsewhere });
    } catch (error) {
      if (!(error instanceof RstowError)) throw error;
      const isAway = error.code === 'repository-unavailable' && elsewhere.length > 0;
      if (!isAway && !isBadState(error)) throw error;
      const { label, repository, archivedTimeline } = candidate;
      const what = archivedTimeline === undefined ? '' : 'with what the archive holds beyond it: ';
      skipped.push({ label, repository, code: error.code, reason: `${what}${sentenceOf(error)}` });
      waiting = isAway ? elsewhere : others;
    }
  }
}

type Attempt = { candidate: Candidate; attempt: number; /** The states that other repositories hold. */ elsewhere: readonly Candidate[] };

async function stage(staging: Staging, { candidate, attempt, elsewhere }: Attempt): Promise<Staged> {
  const { engine, generation } = staging;
  const { database } = engine;
  const { repository } = candidate;
  const place = withPatience(staging.place, { candidate, elsewhere });
  const verbs = elsewhere.length === 0 ? engine.transfers(place) : engine.lockedTransfers(place);
  const archived = await archivedPoint(engine, verbs, candidate);
  const { label: backup, pointKey } = archived ?? { label: candidate.label };
  const plan = await planRestore(engine, place, { database, repository, backup, pointKey, takeover: { attempt } });
  requireWord(staging, plan);
  try {
    const { timeline, served, warnings: fetched } = await fetchPlanned(engine, { plan, verbs, generation });
    const warnings = [...(archived?.warnings ?? []), ...plan.warnings, ...fetched];
    return { candidate, plan: { ...plan, warnings }, timeline, served, archivedUntilMs: archived?.sinceMs };
  } catch (error) {
    // The next candidate must not find this one's files.
    await clearStaged(engine, place, plan);
    throw error;
  }
}

/** The end of what the archive holds beyond a backup, read and replayed: as far as no hole keeps a server from it. */
function archivedPoint(engine: Engine, verbs: Activities, { repository, archivedTimeline }: Candidate): Promise<FoundPoint | undefined> {
  if (archivedTimeline === undefined) return Promise.resolve(undefined);
  const { database } = engine;
  engine.phase('reading what the archive holds beyond the last backup');
  const target = { latest: true };
  return verbs.findPoint({ database, repository, target, timeline: archivedTimeline, isBestEffort: true });
}

/** A repository that is away is waited for longer if the others hold nothing but older states: what is newer would be lost. */
function withPatience(place: Place, { candidate, elsewhere }: Pick<Attempt, 'candidate' | 'elsewhere'>): Place {
  const { patienceMs, stepGiveUpMs } = place.timing;
  const isOlder = elsewhere.length > 0 && !elsewhere.some((other) => isSameState(other, candidate));
  return { ...place, timing: { ...place.timing, patienceMs: isOlder ? Math.max(patienceMs, stepGiveUpMs) : patienceMs } };
}

function isSameState(one: Candidate, other: Candidate): boolean {
  return one.label === other.label && one.archivedTimeline === other.archivedTimeline;
}

/** Before anything is fetched. Fails: newer-data-discarded. */
function requireWord({ input, givenUp }: Staging, plan: PlannedRestore): void {
  const seen = unsavedOf(givenUp);
  if (seen.length === 0 || input.discardNewer === true || isApprovalWanted(plan, 'disasterRecovery')) return;
  throw newerDataDiscarded(input, { seen, label: plan.label, why: givenUp.why });
}

/** The data on the host that is taken over to are given up as well. */
async function withTargets(engine: Engine, { place, givenUp }: Target): Promise<GivenUp> {
  engine.phase('checking what the recovery would discard');
  if (givenUp.agents.includes(place.agent)) return givenUp;
  const data = await engine.surveys(place).surveyData({ database: engine.database });
  return data === null ? givenUp : { ...givenUp, seen: [...givenUp.seen, { agent: place.agent, data }] };
}

const unsavedOf = ({ seen }: GivenUp): SeenData[] => seen.filter(({ data }) => data.unsavedRecords > 0);

function consequenceOf(givenUp: GivenUp): string | undefined {
  const texts = unsavedOf(givenUp).map(({ agent, data }) => `${unsavedText(data)}, of agent "${agent}"`);
  return texts.length === 0 ? undefined : `it discards ${texts.join('; and ')}`;
}

const BAD_STATES: readonly string[] = ['digest-different', 'format-unsupported', 'backup-not-found', 'point-not-found', 'wal-gap'];

function isBadState({ code }: RstowError): boolean {
  return isObjectDamage(code) || BAD_STATES.includes(code);
}

type Taken = SwapOutcome & { generation: number };

/** Ownership is the fence: it is taken when the new data are proved, and before they go in. */
async function bringUp(of: { engine: Engine; place: Place; staged: Staged; fromGeneration: number }): Promise<Taken> {
  const { engine, place, staged, fromGeneration } = of;
  const { database } = engine;
  const { repository, planKey, planHash, label } = staged.plan;
  engine.phase('preparing the host');
  const { warnings: prepared } = await engine.transfers(place).prepareHost({ database, repository, label, planHash });
  const { warnings } = await rehearse(engine, place, staged.plan);
  engine.commit();
  engine.phase('taking the database over');
  const { generation } = await engine.steps(place).takeOwnership({ database, fromGeneration, timeline: staged.timeline, planHash });
  const tail = { repository, startedAtMs: engine.now(), isRequired: false };
  const swapped = await swapInPlace(engine, place, { repository, planKey, planHash, tail });
  return { ...swapped, generation, warnings: [...prepared, ...warnings, ...swapped.warnings] };
}

type Facts = { staged: Staged; candidates: Candidates; givenUp: GivenUp };

function lossOf(engine: Engine, { staged, candidates: { newest }, givenUp }: Facts): Loss {
  const { candidate, plan, archivedUntilMs } = staged;
  const sinceMs = archivedUntilMs ?? candidate.createdAtMs;
  const known = { sinceMs, untilMs: engine.startedAtMs, discarded: unsavedOf(givenUp), unseen: givenUp.unseen };
  if (newest === undefined || isSameState(newest, candidate)) return { ...known, knownRecords: 0 };
  return { ...known, knownRecords: Math.max(0, newest.records - plan.records), knownEnd: newest.extents.end };
}

function warningsOf(skipped: readonly SkippedState[], lost: Loss, taken: Taken): Warning[] {
  const passedOver = skipped.map(({ label, repository, reason }) => ({
    code: 'state-skipped',
    message: `${label} in ${repository}: ${reason}`,
  }));
  const discarded = lost.discarded.map(({ agent, data }) => ({
    code: 'records-lost',
    message: `${unsavedText(data)} are not in the recovered state: they lay in ${data.dataDir} of agent "${agent}"${keptText(taken)}`,
  }));
  if (lost.knownRecords === 0) return [...passedOver, ...discarded];
  const newer = `${lost.knownRecords} records that a newer backup promises are not in the recovered state`;
  return [...passedOver, { code: 'records-lost', message: newer }, ...discarded];
}

function keptText({ replacedAt, savedAs }: Taken): string {
  if (savedAs !== undefined) return `; what was replaced is backup ${savedAs} now`;
  return replacedAt === undefined ? '' : `; what was replaced is kept in ${replacedAt}`;
}
