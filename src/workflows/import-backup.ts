import type { Place } from '../activities/catalogue/locate.ts';
import type { ImportBackupInput, ImportBackupResult } from '../contract/import-backup.ts';
import { outcomeOf } from '../contract/result.ts';
import type { Engine } from './engine.ts';
import { verifyAndRemember } from './verify-backup.ts';

/**
 * Makes a backup of an archive, and reads that back. It needs no lock: it has a timeline of its own, and touches neither the database's history
 * nor its host.
 */
export async function importBackup(input: ImportBackupInput, engine: Engine): Promise<ImportBackupResult> {
  const place = await placeOfArchive(engine, input);
  const { database, repository: wanted, file } = input;
  const { runId, startedAtMs } = engine;
  const { isThere, ...read } = await clearing(engine, place, async () => {
    engine.phase('reading the archive');
    const { repository, ...taken } = await engine.transfers(place).readArchive({ database, repository: wanted, file });
    engine.phase('storing its log');
    return { ...taken, ...(await engine.transfers(place).storeArchive({ database, repository })) };
  });
  const { label, repository } = read;
  const later = isThere ? [] : (await verifyAndRemember(engine, place, { label, repository, level: 'replay' })).warnings;
  const warnings = [...new Map([...read.warnings, ...later].map((warning) => [warning.message, warning])).values()];
  const outcome = isThere ? 'not-needed' : outcomeOf(warnings);
  return { ...read, outcome, runId, database, file, agent: place.agent, warnings, durationMs: engine.now() - startedAtMs };
}

/** The host on which the archive lies, or is to lie. */
export async function placeOfArchive(engine: Engine, { database, agent }: Pick<ImportBackupInput, 'database' | 'agent'>): Promise<Place> {
  engine.phase('looking for the agent', agent === undefined ? `the agent that owns ${database}` : `the agent ${agent}`);
  const place = await (agent === undefined ? engine.places.owner(database) : engine.places.agent(agent, database));
  engine.placed(place);
  return place;
}

async function clearing<T>(engine: Engine, place: Place, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } finally {
    await engine.compensate('clearing the scratch place', () => engine.cleanups(place).clearImport({ database: engine.database }));
  }
}
