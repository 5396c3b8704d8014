import { isDeepStrictEqual } from 'node:util';
import type { CheckFact } from '../core/backup/checks.ts';
import { isVerdictOnBackup } from '../core/errors/error-table.ts';
import {
  damageKey,
  damagePrefix,
  factKey,
  type FactName,
  factNameOfKey,
  factsOfPrefix,
  factsPrefix,
  type TestName,
  trashKey,
  usedSignatureKey,
  type VerificationName,
} from '../core/repository/object-keys.ts';
import {
  type RecoveryTest,
  recoveryTestSchema,
  type UsedSignature,
  usedSignatureSchema,
  type Verification,
  verificationSchema,
} from '../formats/repository/facts.ts';
import type { Repository } from '../io/repository/port.ts';
import { putSealed, readSealed, unlessUnreadable } from '../io/repository/sealed-object.ts';
import { type DamageFact, damageSchema } from '../formats/repository/piece.ts';

/** What checks and recovery tests have found, remembered for ever. Their names say whether they held. */
export type Facts = {
  /** Of one backup: lists that label's alone. */
  of(label: string): Promise<FactName[]>;
  /** Of all backups, by label, in one listing; remembered for the life of the store. */
  byLabel(): Promise<ReadonlyMap<string, FactName[]>>;
  /** How the backup stands by its checks: reads only what did not hold. */
  checks(names: readonly FactName[]): Promise<CheckFact[]>;
  /**
   * Whether the fact says itself what its name says: if no signatures are required, a name is believed. Fails: repository-unavailable.
   */
  isProved(name: VerificationName): Promise<boolean>;
  /** Undefined if somebody has removed it meanwhile. Fails: damaged-object, untrusted-object, format-unsupported. */
  test(name: TestName): Promise<RecoveryTest | undefined>;
  /** Remembers a verification, and the object that it found damaged. Twice, for one run: the first one stands. */
  recordVerification(fact: Omit<Verification, 'format'>): Promise<void>;
  /** Remembers a recovery test, and the object that it found damaged. Twice, for one run: the first one stands. */
  recordTest(fact: Omit<RecoveryTest, 'format'>): Promise<void>;
};

type FactScope = { repository: Repository; database: string; damage: Pick<Damage, 'record'> };

export function factsOf({ repository, database, damage }: FactScope): Facts {
  let all: Promise<ReadonlyMap<string, FactName[]>> | undefined;
  return {
    of: (label) => listFacts(repository, factsOfPrefix(database, label)),
    byLabel: () => (all ??= listFacts(repository, factsPrefix(database)).then((names) => Map.groupBy(names, ({ label }) => label))),
    checks: async (names) => (await Promise.all(names.map((name) => checkOf(repository, database, name)))).flat(),
    isProved: async (name) => {
      if (isBelieved(repository)) return true;
      const fact = await unlessUnreadable(readSealed(repository, factKey(database, name), verificationSchema));
      return fact !== undefined && isDeepStrictEqual(verificationName(fact), name);
    },
    test: (name) => readSealed(repository, factKey(database, name), recoveryTestSchema),
    recordVerification: async (fact) => {
      const name = verificationName(fact);
      await putSealed(repository, factKey(database, name), { schema: verificationSchema, value: { format: 1, ...fact } });
      await recordDamaged(damage, fact);
    },
    recordTest: async (fact) => {
      await putSealed(repository, factKey(database, testName(fact)), { schema: recoveryTestSchema, value: { format: 1, ...fact } });
      await recordDamaged(damage, fact);
    },
  };
}

async function listFacts(repository: Repository, prefix: string): Promise<FactName[]> {
  const names: FactName[] = [];
  for await (const key of repository.keys(prefix)) {
    const name = factNameOfKey(key);
    if (name !== undefined) names.push(name);
  }
  return names;
}

function verificationName({ label, atMs, runId, level, held, repairedKeys }: Omit<Verification, 'format'>): VerificationName {
  const outcome = repairedKeys !== undefined ? 'repaired' : held ? 'held' : 'failed';
  return { kind: 'verification', label, atMs, runId, level, outcome };
}

function testName({ label, atMs, runId, held, seed }: Omit<RecoveryTest, 'format'>): TestName {
  const outcome = !held ? 'failed' : seed === undefined ? 'held' : 'held-part';
  return { kind: 'test', label, atMs, runId, outcome };
}

async function recordDamaged(
  damage: Pick<Damage, 'record'>,
  { label, atMs, runId, failure }: Omit<Verification, 'format' | 'level'>,
): Promise<void> {
  if (failure?.key !== undefined) await damage.record({ key: failure.key, label, atMs, runId });
}

/** A record that can’t be read is known by its name, where a name is believed. */
async function checkOf(repository: Repository, database: string, name: FactName): Promise<CheckFact[]> {
  return (await unlessUnreadable(recordedCheck(repository, database, name))) ?? (isBelieved(repository) ? namedFailure(name) : []);
}

/** Whoever may put objects can give them any name: if signatures are required, one alone says nothing. */
const isBelieved = ({ signing }: Repository): boolean => signing?.isRequired !== true;

/** A recovery test that held may have gone up to an earlier point only, so it lifts nothing. */
async function recordedCheck(repository: Repository, database: string, name: FactName): Promise<CheckFact[]> {
  const { atMs } = name;
  const key = factKey(database, name);
  if (name.kind === 'test') {
    if (name.outcome !== 'failed') return [];
    const failure = (await readSealed(repository, key, recoveryTestSchema))?.failure;
    return failure !== undefined && isVerdictOnBackup(failure.code) ? [{ level: 'replay', atMs, failure }] : [];
  }
  const { level } = name;
  if (name.outcome === 'held') return [{ level, atMs }];
  const fact = await readSealed(repository, key, verificationSchema);
  return fact === undefined ? [] : [{ level, atMs, failure: fact.failure, repairedKeys: fact.repairedKeys }];
}

function namedFailure(name: FactName): CheckFact[] {
  if (name.outcome !== 'failed') return [];
  const failure = { code: 'damaged-object', sentence: 'it failed a check, and the record of why can’t be read' };
  return [{ level: name.kind === 'test' ? 'replay' : name.level, atMs: name.atMs, failure }];
}

/** Objects that a check found damaged, until a backup has stored them again. */
export type Damage = {
  /** Remembers that an object is damaged. Twice, for one run: the first record stands. */
  record(damage: Omit<DamageFact, 'format'>): Promise<void>;
  /** What is known to be damaged and was not stored again yet. */
  known(): Promise<DamageFact[]>;
  /** Puts the record aside with what it named. Twice: no-op. */
  close(closing: { damage: DamageFact; runId: string }): Promise<void>;
};

export function damageOf({ repository, database }: { repository: Repository; database: string }): Damage {
  return {
    record: (damage) => recordDamage(repository, database, damage),
    known: () => readDamage(repository, database),
    close: (closing) => closeRecord(repository, database, closing),
  };
}

export async function recordDamage(repository: Repository, database: string, damage: Omit<DamageFact, 'format'>): Promise<void> {
  const key = damageKey(database, damage);
  if ((await putSealed(repository, key, { schema: damageSchema, value: { format: 1, ...damage } })) === 'stored') return;
  // One run may meet several in one moment.
  const there = await unlessUnreadable(readSealed(repository, key, damageSchema));
  if (there?.key !== damage.key) await recordDamage(repository, database, { ...damage, atMs: damage.atMs + 1 });
}

type StoredAgain = { keys: ReadonlySet<string>; atMs: number; runId: string };

/**
 * Objects that were damaged or gone are stored again: the backups that failed a check because of them don't count as failed any more, and
 * nobody stores them once more. Twice: the same.
 */
export async function closeDamage(
  { facts, damage }: { facts: Pick<Facts, 'recordVerification'>; damage: Pick<Damage, 'known' | 'close'> },
  { keys, atMs, runId }: StoredAgain,
): Promise<void> {
  const closed = (await damage.known()).filter(({ key }) => keys.has(key));
  for (const [label, damages] of Map.groupBy(closed, (fact) => fact.label)) {
    const repairedKeys = [...new Set(damages.map(({ key }) => key))];
    if (label !== undefined) await facts.recordVerification({ label, level: 'checksums', atMs, runId, held: false, repairedKeys });
  }
  for (const fact of closed) await damage.close({ damage: fact, runId });
}

async function readDamage(repository: Repository, database: string): Promise<DamageFact[]> {
  const found: DamageFact[] = [];
  for await (const key of repository.keys(damagePrefix(database))) {
    // A record that can't be read names nothing; a foreign file is none.
    const damage = await unlessUnreadable(readSealed(repository, key, damageSchema));
    if (damage !== undefined) found.push(damage);
  }
  return found;
}

async function closeRecord(repository: Repository, database: string, closing: { damage: DamageFact; runId: string }): Promise<void> {
  const key = damageKey(database, closing.damage);
  await repository.move(key, trashKey(closing.runId, key));
}

/** Moves an object out of the way; it is never deleted. Twice: no-op, though another object has its name by now. */
export async function putAside(repository: Repository, key: string, runId: string): Promise<void> {
  const aside = trashKey(runId, key);
  if (!(await isThere(repository, aside))) await repository.move(key, aside);
}

/** Frees the name of an object that is none of this run's, also if the run has put another one of that name aside before. */
export async function makeRoom(repository: Repository, key: string, runId: string): Promise<void> {
  let aside = trashKey(runId, key);
  for (let others = 1; await isThere(repository, aside); others += 1) aside = trashKey(`${runId}-${others}`, key);
  await repository.move(key, aside);
}

export async function isThere(repository: Repository, wanted: string): Promise<boolean> {
  for await (const key of repository.keys(wanted)) if (key === wanted) return true;
  return false;
}

/** Signatures of operators that were taken, each for one run. */
export type Signatures = {
  /** Undefined if nobody has used it. */
  find(nonce: string): Promise<UsedSignature | undefined>;
  /** Twice: the first use stands. */
  put(use: UsedSignature): Promise<void>;
};

export function signaturesOf({ repository, database }: { repository: Repository; database: string }): Signatures {
  return {
    find: (nonce) => readSealed(repository, usedSignatureKey(database, nonce), usedSignatureSchema),
    put: async (use) => {
      await putSealed(repository, usedSignatureKey(database, use.nonce), { schema: usedSignatureSchema, value: use });
    },
  };
}
