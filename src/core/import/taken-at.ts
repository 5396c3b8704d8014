/** Where it is said when an archive was made. */
export const TAKEN_FROM = ['backup.json', 'folder-name', 'file-name', 'newest-file'] as const;

export type TakenFrom = (typeof TAKEN_FROM)[number];

export type TakenAt = { atMs: number; from: TakenFrom };

export type AboutArchive = {
  /** What `backup.json` says. */ about?: string | undefined;
  /** In which the log lies. */ folder: string;
  /** The archive's own. */ fileName: string;
  /** Of the newest entry (Unix ms). */ newestMs: number;
  nowMs: number;
};

const FIRST_MS = Date.UTC(2000, 0, 1);
const DAY_MS = 86_400_000;

/** As the guide's scripts write it by `date +%Y%m%d-%H%M%S`, in the host's own time zone. */
const STAMP = /(?<![0-9])([0-9]{4})([0-9]{2})([0-9]{2})-([0-9]{2})([0-9]{2})([0-9]{2})(?![0-9])/;

/** The archive's own word first. A time that can't be, such as one to come, is passed over. */
export function takenAt({ about, folder, fileName, newestMs, nowMs }: AboutArchive): TakenAt {
  const said: [number | undefined, TakenFrom][] = [
    [timestampOf(about), 'backup.json'],
    [stampOf(folder), 'folder-name'],
    [stampOf(fileName), 'file-name'],
  ];
  for (const [atMs, from] of said) {
    if (atMs !== undefined && atMs >= FIRST_MS && atMs <= nowMs + DAY_MS) return { atMs, from };
  }
  return { atMs: Math.min(Math.max(newestMs, FIRST_MS), nowMs), from: 'newest-file' };
}

/** Looked for as text: the guide's script leaves a number out, so that its file is no JSON. */
function timestampOf(about = ''): number | undefined {
  const [, text] = /"timestamp"\s*:\s*"([^"]{10,40})"/.exec(about) ?? [];
  const atMs = text === undefined ? Number.NaN : Date.parse(text);
  return Number.isNaN(atMs) ? undefined : atMs;
}

function stampOf(text: string): number | undefined {
  const found = STAMP.exec(text.split('/').at(-1) ?? '')
    ?.slice(1)
    .map(Number);
  if (found === undefined) return undefined;
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = found;
  const isTime = month >= 1 && month <= 12 && day >= 1 && day <= 31 && hour < 24 && minute < 60 && second < 60;
  return isTime ? new Date(year, month - 1, day, hour, minute, second).getTime() : undefined;
}
