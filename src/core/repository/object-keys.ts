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

/** Who took the label: written before anything else of the backup, so that two runs never share one. */
export const labelClaimKey = (database: string, label: string): string => backupKey(database, label, 'run.json');

export const planKey = (database: string, runId: string, name: string): string => databaseKey(database, `plans/${runId}/${name}.json`);

/** Signatures that were taken, by their nonce. */
export const usedSignatureKey = (database: string, nonce: string): string => databaseKey(database, `signatures/${nonce}.json`);

/** A run that is reset may remember more than once. */
type Remembered = { runId: string; atMs: number };

export const verificationKey = (database: string, { label, runId, atMs }: Remembered & { label: string }): string =>
  `${verificationsPrefix(database)}${label}/${runId}-${atMs}.json`;

export const damageKey = (database: string, { runId, atMs }: Remembered): string => `${damagePrefix(database)}${runId}-${atMs}.json`;

export const verificationsPrefix = (database: string): string => databaseKey(database, 'facts/verifications/');

export const recoveryTestsPrefix = (database: string): string => databaseKey(database, 'facts/recovery-tests/');

/** A remembered recovery test, as its key tells: what is newest shows in a listing. `atMs` is Unix ms. */
export type TestName = { label: string; atMs: number; runId: string };

export function recoveryTestKey(database: string, { label, atMs, runId }: TestName): string {
  return `${recoveryTestsPrefix(database)}${label}/${String(atMs).padStart(13, '0')}-${runId}.json`;
}

/** What such a key says, or undefined for any other. */
export function testNameOfKey(key: string): TestName | undefined {
  const [, label, atMs, runId] = /\/facts\/recovery-tests\/([^/]+)\/([0-9]{13,16})-([A-Za-z0-9-]+)\.json$/.exec(key) ?? [];
  return label === undefined || atMs === undefined || runId === undefined ? undefined : { label, atMs: Number(atMs), runId };
}

/** Objects that are known to be damaged and not replaced yet; closed records are put aside with what they name. */
export const damagePrefix = (database: string): string => databaseKey(database, 'facts/damage/');

/** Where a run puts aside what is not what it should be: nothing is deleted. */
export const trashKey = (runId: string, key: string): string => `trash/${runId}/${key}`;

/** The folders whose every object is read, and what their names look like. */
const READ_WHOLE = /^databases\/[^/]+\/(owner|timelines|facts\/(verifications|recovery-tests|damage))\//;
const OWNER = /\/owner\/[0-9]{8,}\.json$/;
const TIMELINE = /\/timelines\/[0-9]{4,9}\.json$/;
const FACT = /\/facts\/(damage|(verifications|recovery-tests)\/[A-Za-z0-9][^/]*)\/[A-Za-z0-9-]+\.json$/;

/** Whether somebody else has put the object among rstow's own, as file managers and programs that copy folders do. */
export function isForeignKey(key: string): boolean {
  return READ_WHOLE.test(key) && ![OWNER, TIMELINE, FACT].some((name) => name.test(key));
}

/** The label of a manifest's key, or undefined for any other key. */
export function labelOfManifestKey(key: string): string | undefined {
  return /\/backups\/([^/]+)\/manifest\.json$/.exec(key)?.[1];
}
