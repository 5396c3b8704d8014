import type { CopiedTo, CopyInput } from '../activities/copy/copy-to-repository.ts';
import type { CopyBackupsInput, CopyBackupsResult } from '../contract/copy-backups.ts';
import { outcomeOf, type Warning } from '../contract/result.ts';
import type { Place } from '../activities/catalogue/locate.ts';
import { RstowError } from '../core/errors/rstow-error.ts';
import type { Engine } from './engine.ts';

/** Gives each repository what another one has and it lacks. It takes no lock: what is stored meanwhile is left to the next run. */
export async function copyBackups(input: CopyBackupsInput, engine: Engine): Promise<CopyBackupsResult> {
  const { database, from, to, backup: wanted, bytesPerSecond } = input;
  const place = await placeOfCopy(engine);
  engine.phase('comparing the repositories');
  const { targets, label } = await engine.steps(place).chooseCopies({ database, from, to, backup: wanted });
  const backup = label === undefined ? undefined : { label };
  engine.phase(`copying to ${targets.join(', ')}`);
  const filled = await Promise.all(
    targets.map((to) => filledOr(to, () => fillRepository(engine, place, { database, from, to, backup, bytesPerSecond }))),
  );
  const failed = filled.find(({ error }) => error !== undefined)?.error;
  if (failed !== undefined && filled.every(({ error }) => error !== undefined)) throw failed;
  const warnings = warningsOf(filled);
  const durationMs = engine.now() - engine.startedAtMs;
  const repositories = filled.map(({ repository, copied, repaired, there, expired, bytesStored, failures }) => {
    return { repository, copied, repaired, there, expired, bytesStored, failures };
  });
  return { outcome: outcomeOf(warnings), runId: engine.runId, database, warnings, repositories, durationMs };
}

/** Fills one repository, in as many turns as that takes. */
export async function fillRepository(engine: Engine, place: Place, input: CopyInput): Promise<CopiedTo> {
  const sum = { copied: 0, repaired: 0, bytesStored: 0 };
  for (;;) {
    const turn = await engine.lockedTransfers(place).copyToRepository(input);
    sum.copied += turn.copied;
    sum.repaired += turn.repaired;
    sum.bytesStored += turn.bytesStored;
    if (!turn.isUnfinished) return { ...turn, ...sum };
  }
}

/** The owner's agent, or one that stands by. Fails: agent-unreachable, unknown-database. */
async function placeOfCopy(engine: Engine): Promise<Place> {
  const { database } = engine;
  engine.phase('looking for an agent', `the agent that owns ${database}, or one that stands by for it`);
  const { owner, standby } = await engine.places.hosts(database);
  const place = owner ?? standby ?? (await engine.places.owner(database));
  engine.placed(place);
  return place;
}

type Filled = CopiedTo & { error?: RstowError };

/** One that is away keeps nobody from filling the others. */
async function filledOr(repository: string, fill: () => Promise<CopiedTo>): Promise<Filled> {
  try {
    return await fill();
  } catch (error) {
    if (!(error instanceof RstowError) || error.code === 'cancelled') throw error;
    const failures = [{ code: error.code, count: 1, message: error.message }];
    return { repository, copied: 0, repaired: 0, there: 0, expired: 0, bytesStored: 0, failures, away: [], isUnfinished: false, error };
  }
}

/** What several of them say of a third one is said once. */
function warningsOf(filled: readonly Filled[]): Warning[] {
  const warnings = filled.flatMap(({ repository, failures, away, error }): Warning[] => {
    const unread = away.map((other) => ({
      code: other.code,
      message: `repository ${other.repository} could not be read: ${other.message}`,
    }));
    const lacking = failures.map(({ code, count, message }) => ({ code, message: lackingSentence({ repository, count, message, error }) }));
    return [...unread, ...lacking];
  });
  return [...new Map(warnings.map((warning) => [warning.message, warning])).values()];
}

type Lacking = { repository: string; count: number; message: string; error: RstowError | undefined };

function lackingSentence({ repository, count, message, error }: Lacking): string {
  if (error !== undefined) return `repository ${repository} was not filled: ${message}`;
  return `repository ${repository} still lacks ${count === 1 ? 'an object' : `${count} objects`}: ${message}`;
}
