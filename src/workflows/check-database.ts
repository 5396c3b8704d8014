import type { DescribedDatabase } from '../activities/catalogue/describe-protection.ts';
import type { Place } from '../activities/catalogue/locate.ts';
import { type CheckDatabaseInput, type CheckDatabaseResult, findingWarnings } from '../contract/check-database.ts';
import { staleSentence } from '../contract/describe-database.ts';
import { SEARCH_ATTRIBUTES } from '../contract/names.ts';
import { outcomeOf } from '../contract/result.ts';
import { type BackupFacts, type CheckFacts, checkFindings, type Unasked } from '../core/protection/check.ts';
import { copyFacts } from '../core/protection/copies.ts';
import { worstOf } from '../core/protection/finding.ts';
import { RstowError } from '../core/errors/rstow-error.ts';
import { inspectedHost, protectionOf, staleServers } from './describe-database.ts';
import type { Engine } from './engine.ts';

/**
 * What a restart of the server would lose now, what is late, and what may go wrong. It changes nothing, and whatever it
 * finds, the run comes to its end: what can't be asked is a finding as well.
 */
export async function checkDatabase(input: CheckDatabaseInput, engine: Engine): Promise<CheckDatabaseResult> {
  const { database, runId } = engine;
  engine.phase('asking the repository and the owner’s host');
  const owner = await engine.places.ownerIfStillThere(database);
  if (owner !== undefined) engine.placed(owner);
  const described = await asked(() => describe(input, engine));
  // Nobody is left who could say anything.
  if (owner === undefined && described instanceof RstowError) throw described;
  engine.phase('holding the log against the server');
  const onHost = await askHost(input, engine, owner);
  const protection = described instanceof RstowError ? undefined : protectionOf(engine, described, await inspectedHost(engine));
  const formerOwners = described instanceof RstowError ? [] : (described.formerOwners ?? []);
  const findings = checkFindings({
    database,
    nowMs: engine.now(),
    gaps: protection?.gaps ?? [],
    refusedAttributes: owner?.searchAttributes === false ? Object.values(SEARCH_ATTRIBUTES) : [],
    stale: (await staleServers(engine, formerOwners)).map((server) => staleSentence(database, server)),
    backups: described instanceof RstowError ? unasked(described) : backupFacts(described, engine.now()),
    ...onHost,
  });
  const warnings = findingWarnings(findings);
  return { outcome: outcomeOf(warnings), runId, database, warnings, severity: worstOf(findings), findings };
}

async function describe({ database, repository }: CheckDatabaseInput, engine: Engine): Promise<DescribedDatabase> {
  const place = await engine.places.anywhere(database, repository);
  return engine.steps(place).describeProtection({ database, repository });
}

async function askHost(
  { database, repository }: CheckDatabaseInput,
  engine: Engine,
  owner: Place | undefined,
): Promise<Pick<CheckFacts, 'restart' | 'host' | 'archive'>> {
  if (owner === undefined) {
    const silent = unasked(new RstowError('agent-unreachable', 'the agent that owns the database does not answer'));
    return { restart: silent, host: silent, archive: silent };
  }
  const { surveyRestart, surveyArchive } = engine.checks(owner);
  const { surveyHost } = engine.inspections(owner.installationId);
  const [restart, host, archive] = await Promise.all([
    asked(() => surveyRestart({ database })),
    asked(() => surveyHost({ database })),
    asked(() => surveyArchive({ database, repository })),
  ]);
  return { restart: orUnasked(restart), host: orUnasked(host), archive: orUnasked(archive) };
}

/** A failure is an answer as well. */
async function asked<Answer>(ask: () => Promise<Answer>): Promise<Answer | RstowError> {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof RstowError && error.code !== 'cancelled') return error;
    throw error;
  }
}

function orUnasked<Answer extends object>(answer: Answer | RstowError): Answer | Unasked {
  return answer instanceof RstowError ? unasked(answer) : answer;
}

function unasked({ code, message }: RstowError): Unasked {
  return { unasked: { code, sentence: message } };
}

function backupFacts(described: DescribedDatabase, nowMs: number): BackupFacts {
  const { latest, window, lastVerified, tested, testFailed, freeBytes, archive } = described;
  const sinceMs = window?.times?.sinceMs ?? null;
  const { copies: held, quorum, lastBackup, backups } = described;
  const copies = copyFacts({ copies: held, quorum, endedAtMs: lastBackup?.endedAtMs ?? null, backups, nowMs });
  return { latest, sinceMs, verified: lastVerified, tested, testFailed, freeBytes, copies, archivePausedBy: archive?.pausedBy };
}
