import type { HoldBackupInput, HoldBackupResult } from '../contract/hold-backup.ts';
import { RstowError } from '../core/errors/rstow-error.ts';
import type { Engine } from './engine.ts';
import { placeOfArchive } from './import-backup.ts';

/** Keeps a backup from expiring, in each repository that has it, or takes away what keeps it. */
export async function holdBackup(input: HoldBackupInput, engine: Engine): Promise<HoldBackupResult> {
  const { repository, backup, reason, requestedBy: by, untilMs, release: isReleased = false, mark } = input;
  if (mark !== undefined && !isReleased) throw new RstowError('invalid-input', 'mark: only a release takes a mark away');
  const { database, runId } = engine;
  const place = await placeOfArchive(engine, { database });
  engine.phase(isReleased ? 'releasing the backup' : 'holding the backup');
  const asked = { database, repository, backup, reason, by, atMs: engine.now(), untilMs, isReleased, mark };
  const { label, repositories, released } = await engine.steps(place).holdBackup(asked);
  const outcome = isReleased && released === 0 ? 'not-needed' : 'done';
  return { outcome, runId, database, warnings: [], label, repositories, released };
}
