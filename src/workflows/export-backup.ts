import type { ExportBackupInput, ExportBackupResult } from '../contract/export-backup.ts';
import { outcomeOf } from '../contract/result.ts';
import { namingAlternative } from './alternative.ts';
import type { Engine } from './engine.ts';
import { placeOfArchive } from './import-backup.ts';

/** Makes a tar.gz archive of a backup. Each byte is held against what the backup promises while it passes. */
export async function exportBackup(input: ExportBackupInput, engine: Engine): Promise<ExportBackupResult> {
  const place = await placeOfArchive(engine, input);
  const { database, backup, repository: wanted, file } = input;
  const { runId, startedAtMs } = engine;
  return namingAlternative(engine, { place, wanted: { database, backup, repository: wanted } }, async () => {
    const { label, repository } = await engine.steps(place).chooseBackup({ database, repository: wanted, backup });
    try {
      engine.phase(`writing ${label} to ${file}`);
      const { warnings, ...written } = await engine.transfers(place).exportArchive({ database, repository, label, file });
      const durationMs = engine.now() - startedAtMs;
      return {
        outcome: outcomeOf(warnings),
        runId,
        database,
        warnings,
        label,
        repository,
        file,
        agent: place.agent,
        ...written,
        durationMs,
      };
    } finally {
      await engine.compensate('clearing what was not finished', () => engine.cleanups(place).clearExport({ database, file }));
    }
  });
}
