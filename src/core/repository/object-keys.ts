import type { CheckLevel } from '../backup/checks.ts';

/** Where things lie in a repository; docs/repository-format.md is the reader's version. */

export function databaseKey(database: string, rest: string): string {
  return `databases/${database}/${rest}`;
}

export const ownerPrefix = (database: string): string => databaseKey(database, 'owner/');
export const ownerKey = (database: string, generation: number): string =>
  `${ownerPrefix(database)}${String(generation).padStart(8, '0')}.json`;

export const timelinesPrefix = (database: string): string => databaseKey(database, 'timelines/');
export const timelineKey = (database: string, timeline: string): string => `${timelinesPrefix(database)}${timeline}.json`;

export const backupsPrefix = (database: string): string => databaseKey(database, 'backups/');
export const backupKey = (database: string, label: string, fileName: string): string => `${backupsPrefix(database)}${label}/${fileName}`;
export const manifestKey = (database: string, label: string): string => backupKey(database, label, 'manifest.json');

/**
 * Who has taken the label, from before anything of its backup is written until its manifest is: two runs never share one.
 * What lies here longer is of a run that was killed.
 */
export const labelsPrefix = (database: string): string => databaseKey(database, 'labels/');
export const labelClaimKey = (database: string, label: string): string => `${labelsPrefix(database)}${label}.json`;

/** The label that such a key names, or undefined for any other. */
export function labelOfClaimKey(key: string): string | undefined {
  return /\/labels\/([^/]+)\.json$/.exec(key)?.[1];
}

/** What manifests say, gathered to save requests; made anew from them. */
export const cataloguePrefix = (database: string): string => databaseKey(database, 'catalogue/');
export const catalogueKey = (database: string, atMs: number, id: string): string =>
  `${cataloguePrefix(database)}${String(atMs).padStart(13, '0')}-${id}.json`;

/** Points that people have given a name. */
export const marksPrefix = (database: string): string => databaseKey(database, 'marks/');
export const markKey = (database: string, name: string): string => `${marksPrefix(database)}${name}.json`;

/** Backups that somebody wants to stay; of one backup there may be several. */
export const holdsPrefix = (database: string): string => databaseKey(database, 'holds/');
export const holdKey = (database: string, label: string, runId: string): string => `${holdsPrefix(database)}${label}.${runId}.json`;

/** The label that such a key names, or undefined for any other. */
export function labelOfHoldKey(key: string): string | undefined {
  return /\/holds\/([A-Za-z0-9][A-Za-z0-9_-]*)\.[A-Za-z0-9-]+\.json$/.exec(key)?.[1];
}

/** What runs decide: each clears its own, or the owner's agent does when the run has ended. */
export const plansPrefix = (database: string): string => databaseKey(database, 'plans/');
export const runPlansPrefix = (database: string, runId: string): string => `${plansPrefix(database)}${runId}/`;
export const planKey = (database: string, runId: string, name: string): string => `${runPlansPrefix(database, runId)}${name}.json`;

/** The run whose plan has this key, or undefined for any other key. */
export function runOfPlanKey(key: string): string | undefined {
  return /\/plans\/([^/]+)\/[^/]+$/.exec(key)?.[1];
}

/** Signatures that were taken, by their nonce. */
export const usedSignatureKey = (database: string, nonce: string): string => databaseKey(database, `signatures/${nonce}.json`);

/**
 * What is remembered of the backups. Those of one backup begin with its label and a dot, so that one listing gives them,
 * and another one all: what is asked most often stands in the name.
 */
export const factsPrefix = (database: string): string => databaseKey(database, 'facts/');
export const factsOfPrefix = (database: string, label: string): string => `${factsPrefix(database)}${label}.`;

/** A run that is reset may remember more than once: the time tells them apart. */
type Remembered = { label: string; /** Unix ms. */ atMs: number; runId: string };
/** `repaired`: no check, but objects were stored again. */
export type VerificationName = Remembered & { kind: 'verification'; level: CheckLevel; outcome: 'held' | 'failed' | 'repaired' };
/** `held-part`: up to a random point of the log, and not to its end. */
export type TestName = Remembered & { kind: 'test'; outcome: 'held' | 'held-part' | 'failed' };
/** What is remembered of a backup, as its key says. */
export type FactName = VerificationName | TestName;

const FACT =
  /\/facts\/([A-Za-z0-9][A-Za-z0-9_-]*)\.(?:verification-(checksums|records|replay)-(held|failed|repaired)|test-(held|held-part|failed))\.([0-9]{13,16})\.([A-Za-z0-9-]+)\.json$/;

export function factKey(database: string, fact: FactName): string {
  const { label, atMs, runId } = fact;
  const what = fact.kind === 'test' ? `test-${fact.outcome}` : `verification-${fact.level}-${fact.outcome}`;
  return `${factsOfPrefix(database, label)}${what}.${String(atMs).padStart(13, '0')}.${runId}.json`;
}

/** What such a key says, or undefined for any other. */
export function factNameOfKey(key: string): FactName | undefined {
  const [, label, level, verified, tested, atMs, runId] = FACT.exec(key) ?? [];
  if (label === undefined || runId === undefined) return undefined;
  const common = { label, atMs: Number(atMs), runId };
  if (tested !== undefined) return { ...common, kind: 'test', outcome: tested as TestName['outcome'] };
  return { ...common, kind: 'verification', level: level as CheckLevel, outcome: verified as VerificationName['outcome'] };
}

/** Runs that have ended, each with what came of it; when it ended (Unix ms) stands in the name. */
export const runsPrefix = (database: string): string => databaseKey(database, 'runs/');
export type RunFactName = { endedAtMs: number; runId: string };

const RUN = /\/runs\/([0-9]{13,16})\.([A-Za-z0-9-]+)\.json$/;

export function runFactKey(database: string, { endedAtMs, runId }: RunFactName): string {
  return `${runsPrefix(database)}${String(endedAtMs).padStart(13, '0')}.${runId}.json`;
}

/** What such a key says, or undefined for any other. */
export function runFactNameOfKey(key: string): RunFactName | undefined {
  const [, endedAtMs, runId] = RUN.exec(key) ?? [];
  return runId === undefined ? undefined : { endedAtMs: Number(endedAtMs), runId };
}

/** Objects that are known to be damaged and not replaced yet; closed records are put aside with what they name. */
export const damagePrefix = (database: string): string => databaseKey(database, 'damage/');
export const damageKey = (database: string, { runId, atMs }: Pick<Remembered, 'runId' | 'atMs'>): string =>
  `${damagePrefix(database)}${runId}-${atMs}.json`;

/** Where a run puts aside what is not what it should be: nothing is deleted. */
export const trashKey = (runId: string, key: string): string => `trash/${runId}/${key}`;

const EXPIRED = /^trash\/expired-([0-9]{13})-[A-Za-z0-9-]+\/databases\/([^/]+)\/backups\/([^/]+)\/manifest\.json$/;

export const EXPIRED_PREFIX = 'trash/expired-';

/** Where the manifest of a backup goes whose time was over then (Unix ms). */
export const expiredManifestKey = (of: { database: string; label: string; atMs: number; runId: string }): string =>
  trashKey(`expired-${String(of.atMs).padStart(13, '0')}-${of.runId}`, manifestKey(of.database, of.label));

/** What such a key says, or undefined for any other. */
export function expiredOfKey(key: string): { database: string; label: string; atMs: number } | undefined {
  const [, atMs, database, label] = EXPIRED.exec(key) ?? [];
  return database === undefined || label === undefined ? undefined : { database, label, atMs: Number(atMs) };
}

/** The folders whose every name says something, and what their names look like. */
const LISTED = /^databases\/[^/]+\/(owner|timelines|labels|marks|index|facts|damage|runs)\//;
const OWNER = /\/owner\/[0-9]{8,}\.json$/;
const TIMELINE = /\/timelines\/[0-9]{4,9}\.json$/;
const LABEL = /\/labels\/[A-Za-z0-9][A-Za-z0-9_-]*\.json$/;
const MARK = /\/marks\/[a-z0-9-]{1,63}\.json$/;
const POSITION = /\/index\/[0-9]{4,9}\/[0-9]{20}-[0-9]{16}-[0-9]{16}-[A-Za-z0-9][A-Za-z0-9_-]*\.json$/;
const DAMAGE = /\/damage\/[A-Za-z0-9-]+\.json$/;

/** Whether somebody else has put the object among rstow's own, as file managers and programs that copy folders do. */
export function isForeignKey(key: string): boolean {
  return LISTED.test(key) && ![OWNER, TIMELINE, LABEL, MARK, POSITION, FACT, DAMAGE, RUN].some((name) => name.test(key));
}

/** The label of a manifest's key, or undefined for any other key. */
export function labelOfManifestKey(key: string): string | undefined {
  return /\/backups\/([^/]+)\/manifest\.json$/.exec(key)?.[1];
}

/** The label of a backup's folder, as a folded listing gives it, or undefined for any other. */
export function labelOfFolder(folder: string): string | undefined {
  return /\/backups\/([^/]+)\/$/.exec(folder)?.[1];
}
