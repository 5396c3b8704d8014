import type { BackupWatch, EventFact } from '../../activities/activity-deps.ts';
import { describeRuns, type DescribedStored, describeStored, inspectHost } from '../../activities/catalogue/describe-protection.ts';
import { type SurveyedHost, surveyHost } from '../../activities/check/survey-host.ts';
import type { Found, Look } from '../../core/alerts/incident.ts';
import { missedRunFindings, type ScheduledRuns, unscheduledFindings } from '../../core/alerts/missed-runs.ts';
import { archiveLateFinding, type LastRuns, repositoryFindings, runFindings } from '../../core/alerts/watched-findings.ts';
import type { ScheduledType } from '../../contract/schedules.ts';
import { RstowError, sentenceOf } from '../../core/errors/rstow-error.ts';
import { gapFinding } from '../../core/protection/check.ts';
import type { Finding } from '../../core/protection/finding.ts';
import { hostFindings } from '../../core/protection/host-risks.ts';
import { serverGaps } from '../../core/protection/verdict.ts';
import { openDatabase } from '../../database/database.ts';
import { readStopNote } from '../../io/data-directory/rstow-folder.ts';
import type { HostDeps } from '../agent-deps.ts';

export type AlertLooks = {
  /** What is wrong with the database now, as far as it can be asked. Fails if the agent is asked to end. */
  look(nowMs: number, signal: AbortSignal): Promise<Look['found']>;
  /** The repository holds something new. */
  storedChanged(): void;
  /** The archive has stored all of the log that was there then (Unix ms). */
  archived(seenAtMs: number): void;
  /** It was counted what a restart would lose: what is lost is said next, and what was said before counts no more. */
  restartChecked(): void;
  restartUnsafe(fact: Pick<EventFact, 'code' | 'sentence'>): void;
};

/** Where each call is paid for; what this agent itself stores there is read at once, and at each look while a repository is away. */
const READ_AGAIN_MS = 7_200_000;

/** A connection may be made anew, and a Temporal restarted, without anybody's notice. */
const TEMPORAL_SILENT_MS = 120_000;

/** What is over within one look is said for so many, so that people are told of it. */
const LOOKS_SAID = 2;

type Watching = { database: string; lookMs: number; runs: () => BackupWatch | undefined };

/** `isWhole`: none of the database's repositories was away. */
type Stored = { facts: DescribedStored; key: string; atMs: number; callsCost: boolean; isWhole: boolean };

/**
 * Looks at one database without Temporal: what that knows is asked as well, if it answers. `runs` is undefined while the agent isn't
 * connected. What was read of a repository that is away now still tells the age of its backups.
 */
export function createAlertLooks(deps: HostDeps, { database, lookMs, runs }: Watching): AlertLooks {
  const saidMs = LOOKS_SAID * lookMs;
  const state: LookState = { changes: 0, archivedAtMs: Date.now(), answeredAtMs: Date.now() };
  return {
    look: async (nowMs, signal) => {
      const unasked: Finding[] = [];
      const host = await lookAtHost(deps, { database, signal }, unasked);
      if (host !== undefined && host !== 'busy') state.host = host.surveyed;
      await readRuns(deps, state, { runs: runs(), database, nowMs, unasked });
      await readRepository(deps, state, { database, nowMs, unasked });
      signal.throwIfAborted();
      const isArchived = deps.config.databases[database]?.archive.enabled === true && state.runs?.archive?.pausedBy === undefined;
      const late = isArchived && host !== 'busy' ? archiveLateFinding(database, nowMs - state.archivedAtMs) : [];
      return {
        look: [...unasked, ...late],
        host: host === undefined || host === 'busy' ? undefined : host.findings,
        restart: state.restart,
        temporal: state.hasRuns === true && state.runs !== undefined ? runFindings(database, state.runs) : undefined,
        schedules: state.scheduled && [
          ...missedRunFindings(state.scheduled, { database, nowMs, askedAtMs: state.answeredAtMs, saidMs }),
          ...unscheduledFindings(database, listedTypes(deps, database), state.scheduled),
        ],
        repository: storedFindings(deps, state, { database, nowMs }),
      };
    },
    storedChanged: () => void (state.changes += 1),
    archived: (seenAtMs) => void (state.archivedAtMs = seenAtMs),
    restartChecked: () => void (state.restart = []),
    restartUnsafe: ({ code, sentence }) => {
      const others = state.restart?.filter(({ subject }) => subject !== code) ?? [];
      const hint = `Don't restart the server now. \`rstow check ${database}\` says what to do.`;
      state.restart = [...others, { severity: 'critical', code: 'restart-unsafe', subject: code, sentence, hint }];
    },
  };
}

type LookState = {
  stored?: Stored;
  runs?: LastRuns;
  scheduled?: ScheduledRuns[];
  /** Whether Temporal has answered in the look that is made. */
  hasRuns?: boolean;
  host?: SurveyedHost;
  /** What a restart would lose; undefined until it was counted. */
  restart?: Found[];
  changes: number;
  archivedAtMs: number;
  answeredAtMs: number;
};

type At = { database: string; nowMs: number };

function storedFindings({ config }: HostDeps, { stored, runs, host }: LookState, { database, nowMs }: At): Finding[] | undefined {
  const limits = config.databases[database]?.check;
  if (stored === undefined || limits === undefined) return undefined;
  return repositoryFindings({ database, nowMs, stored: stored.facts, runs, host: host?.facts, limits });
}

type SeenHost = { findings: Found[]; surveyed: SurveyedHost };

/** While a restore is at work, the server may be down, and that is no fault. */
async function lookAtHost(
  deps: HostDeps,
  { database, signal }: { database: string; signal: AbortSignal },
  unasked: Finding[],
): Promise<SeenHost | 'busy' | undefined> {
  try {
    if ((await readStopNote(openDatabase(deps, database).dataDir)) !== undefined) return 'busy';
    const { server } = await inspectHost(deps)({ database }, { signal });
    const surveyed = await surveyHost(deps)({ database }, { signal });
    return { findings: [...serverGaps({ database, server }).map(gapFinding), ...hostFindings(database, surveyed.facts)], surveyed };
  } catch (error) {
    signal.throwIfAborted();
    unasked.push(unknownFinding('host-unknown', 'the server’s memory, disk and settings', error));
    return undefined;
  }
}

/** What the config schedules. */
function listedTypes({ config }: HostDeps, database: string): ScheduledType[] {
  return Object.keys(config.databases[database]?.schedules ?? {}) as ScheduledType[];
}

async function readRuns(
  deps: HostDeps,
  state: LookState,
  { runs, database, nowMs, unasked }: At & { runs: BackupWatch | undefined; unasked: Finding[] },
): Promise<void> {
  state.hasRuns = false;
  try {
    if (runs === undefined) throw new RstowError('temporal-unreachable', 'the agent is not connected to Temporal');
    state.runs = { ...(await describeRuns(runs, database)), failed: await runs.failed(database) };
    state.scheduled = await runs.scheduled(database, [...new Set([...listedTypes(deps, database), 'hotBackup' as const])]);
    state.hasRuns = true;
    state.answeredAtMs = nowMs;
  } catch (error) {
    if (nowMs - state.answeredAtMs >= TEMPORAL_SILENT_MS)
      unasked.push(unknownFinding('temporal-unreachable', 'the runs that protect the database', error));
  }
}

async function readRepository(deps: HostDeps, state: LookState, { database, nowMs, unasked }: At & { unasked: Finding[] }): Promise<void> {
  try {
    const key = await storedKey(deps, database, state.changes);
    const { stored } = state;
    if (stored?.callsCost === true && stored.isWhole && stored.key === key && nowMs - stored.atMs < READ_AGAIN_MS) return;
    const facts = await describeStored(deps)({ database });
    const { callsCost } = await deps.openStore(database, facts.repository);
    const isWhole = facts.copies.every(({ failure }) => failure === undefined);
    state.stored = { facts, key, atMs: nowMs, callsCost, isWhole };
  } catch (error) {
    unasked.push(unknownFinding('repository-unknown', 'what the repository holds', error));
  }
}

/** Another one once this agent has stored something that counts. */
async function storedKey({ config, seenBackups }: HostDeps, database: string, changes: number): Promise<string> {
  const repositories = config.databases[database]?.repositories ?? [];
  const seen = await Promise.all(repositories.map((repository) => seenBackups.recall({ database, repository })));
  return JSON.stringify([changes, seen.map((backup) => backup?.label)]);
}

function unknownFinding(code: string, what: string, error: unknown): Finding {
  const why = error instanceof RstowError ? sentenceOf(error) : String(error);
  return { severity: 'unknown', code, sentence: `${what} could not be asked: ${why}` };
}
