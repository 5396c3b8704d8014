import { planSlices } from '../backup/segment-plan.ts';
import { makeWalOffset, type WalOffset } from '../wal/wal-offset.ts';
import { sidecarKey, suffixOf } from './coded-name.ts';
import { type Piece, rangePath } from './piece.ts';

/** What a repository holds of a database's backups, by its listing. */
export type HeldObjects = {
  pieces: readonly Piece[];
  /** The keys of those without a sidecar. */
  bare: ReadonlySet<string>;
  /** By label: the names of what lies in the backup's folder. One without a manifest is no backup yet. */
  backups: ReadonlyMap<string, ReadonlySet<string>>;
  /** Keys. */
  marks: ReadonlySet<string>;
  /** Up to where the newest backup of each timeline goes. */
  ends: ReadonlyMap<string, WalOffset>;
};

/** One of the repositories to copy from. */
export type HeldBySource = { objects: HeldObjects; /** Histories whose ids name others in the target. */ diverged: ReadonlySet<string> };

/** `from`: the sources that have it, by their places in the list, the nearest first. */
export type PieceToCopy = { id: string; from: { source: number; piece: Piece }[]; isRepair: boolean };
export type BackupToCopy = { label: string; from: number[]; isRepair: boolean };

export type CopyPlan = {
  /** In the order of the log. */
  pieces: PieceToCopy[];
  backups: BackupToCopy[];
  marks: { key: string; from: number[] }[];
  /** How many of these the target has. */
  there: number;
  /** How many backups the target lacks because they have expired there. */
  expired: number;
};

export type CopyWanted = {
  sources: readonly HeldBySource[];
  target: HeldObjects;
  /** Keys that the target is known to hold damaged. */
  damaged: ReadonlySet<string>;
  /** Labels that have expired in the target: they don't come back by themselves. */
  expired: ReadonlySet<string>;
  /** Of the form in which the target stores objects. */
  suffix: string;
};

export const MANIFEST_NAME = 'manifest.json';

/** What is put into the target: what any source has and it lacks, or holds damaged. */
export function planCopy(wanted: CopyWanted): CopyPlan {
  const pieces = planPieces(wanted);
  const backups = planBackups(wanted);
  const marks = planMarks(wanted);
  return {
    pieces: pieces.toCopy,
    backups: backups.toCopy,
    marks: marks.toCopy,
    there: pieces.there + backups.there + marks.there,
    expired: backups.expired,
  };
}

type Planned<Item> = { toCopy: Item[]; there: number };

/** The same bytes of the log have one id, however they are stored. */
export const pieceId = (piece: Piece): string => `${piece.timeline}/${rangePath(piece)}`;

/** What lacks its sidecar may be the beginning of a piece. */
export function soundPieces({ target, damaged }: Pick<CopyWanted, 'target' | 'damaged'>): Piece[] {
  return target.pieces.filter(({ key }) => !damaged.has(key) && !target.bare.has(key));
}

function planPieces({ sources, target, damaged, suffix }: CopyWanted): Planned<PieceToCopy> {
  const sound = soundPieces({ target, damaged });
  const ids = new Set(sound.map(pieceId));
  const found = new Map<string, PieceToCopy['from']>();
  for (const [source, { objects, diverged }] of sources.entries()) {
    for (const piece of objects.pieces) {
      const id = pieceId(piece);
      if (diverged.has(piece.timeline) || ids.has(id)) continue;
      const known = found.get(id);
      if (known === undefined) found.set(id, [{ source, piece }]);
      // Of two forms in one source, that of the target needs no key.
      else if (known.at(-1)?.source === source && suffixOf(piece.key) === suffix) known.splice(-1, 0, { source, piece });
      else known.push({ source, piece });
    }
  }
  const bySegment = Map.groupBy(sound, ({ timeline, segment }) => `${timeline}/${segment}`);
  const isNeeded = ({ timeline, segment, startBytes, endBytes }: Piece): boolean => {
    if (makeWalOffset(segment, endBytes) > (target.ends.get(timeline) ?? 0n)) return false;
    return planSlices(bySegment.get(`${timeline}/${segment}`) ?? [], startBytes, endBytes).kind === 'missing';
  };
  const toCopy = [...found].map(([id, from]) => ({ id, from, isRepair: isNeeded((from[0] as PieceToCopy['from'][number]).piece) }));
  return { toCopy: toCopy.sort((one, other) => (one.id < other.id ? -1 : 1)), there: ids.size };
}

function planBackups({ sources, target, damaged, expired }: CopyWanted): Planned<BackupToCopy> & { expired: number } {
  const found = new Map<string, BackupToCopy>();
  const left = new Set<string>();
  let there = 0;
  const hasDamage = (label: string): boolean => [...damaged].some((key) => key.includes(`/backups/${label}/`));
  for (const [source, { objects }] of sources.entries()) {
    for (const [label, names] of objects.backups) {
      if (!names.has(MANIFEST_NAME)) continue;
      const known = found.get(label);
      const own = target.backups.get(label) ?? new Set<string>();
      const whole = wholeNames(own);
      if (expired.has(label) && !own.has(MANIFEST_NAME)) left.add(label);
      else if (known !== undefined) known.from.push(source);
      else if (own.has(MANIFEST_NAME) && [...wholeNames(names).keys()].every((name) => whole.has(name)) && !hasDamage(label)) there += 1;
      else found.set(label, { label, from: [source], isRepair: own.has(MANIFEST_NAME) });
    }
  }
  return { toCopy: [...found.values()], there, expired: left.size };
}

function planMarks({ sources, target }: CopyWanted): Planned<CopyPlan['marks'][number]> {
  const found = new Map<string, number[]>();
  for (const [source, { objects }] of sources.entries()) {
    for (const key of objects.marks) if (!target.marks.has(key)) found.set(key, [...(found.get(key) ?? []), source]);
  }
  return { toCopy: [...found].map(([key, from]) => ({ key, from })), there: target.marks.size };
}

/** The attachments that are whole, by the names that manifests call them by: the names of their stored forms. */
export function wholeNames(names: ReadonlySet<string>): Map<string, string[]> {
  const whole = new Map<string, string[]>();
  for (const name of names) {
    const suffix = suffixOf(name);
    if (suffix === undefined || !names.has(sidecarKey(name))) continue;
    const plain = name.slice(0, -suffix.length);
    whole.set(plain, [...(whole.get(plain) ?? []), name]);
  }
  return whole;
}
