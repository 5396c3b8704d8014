import type { SourceNote } from '../../formats/agent-state.ts';
import { folderIdentity, readSourceNote, type SourceNoteId, writeSourceNote } from '../../io/agent-state/source-note.ts';
import { listSegments } from '../../io/data-directory/segments.ts';
import { readBootId } from '../../io/process/proc.ts';
import type { Store } from '../../store/store.ts';
import type { ActivityDeps } from '../activity-deps.ts';

/** A log of this host, as it is stored in one repository. */
export type Source = { deps: Pick<ActivityDeps, 'config'>; store: Pick<Store, 'database' | 'name'>; timeline: string; walDir: string };

/** Whether this very wal/ was stored there as this history. `isSameBoot`: the host was not booted again since. */
export type SeenSource = { note: SourceNote; isSameBoot: boolean };

/** What was noted of a log; undefined if it is another one by now, or none. */
export async function seenSource(source: Source): Promise<SeenSource | undefined> {
  const note = await readSourceNote(noteIdOf(source));
  const isSame = note !== undefined && note.timeline === source.timeline && note.wal === (await folderIdentity(source.walDir));
  return isSame ? { note, isSameBoot: note.bootId === (await readBootId()) } : undefined;
}

/** Notes the files of a log that continues what is stored, before more of it is stored. `holes`: as before if absent. Twice: no-op. */
export async function noteSource(source: Source, holes?: readonly string[]): Promise<SourceNote> {
  const { timeline, walDir } = source;
  const before = await readSourceNote(noteIdOf(source));
  const files = (await listSegments(walDir)) ?? [];
  const note: SourceNote = {
    format: 1,
    timeline,
    bootId: await readBootId(),
    wal: (await folderIdentity(walDir)) ?? '',
    files: files.map(({ segment, inode }) => ({ segment, inode })),
    holes: [...(holes ?? (before?.timeline === timeline ? before.holes : []))],
  };
  if (JSON.stringify(before) !== JSON.stringify(note)) await writeSourceNote(noteIdOf(source), note);
  return note;
}

function noteIdOf({ deps, store }: Source): SourceNoteId {
  return { stateDir: deps.config.agent.stateDir, database: store.database, repository: store.name };
}
