import { sidecarKey, suffixOf } from '../core/repository/coded-name.ts';
import { parsePieceKey, type Piece, timelinePrefix } from '../core/repository/piece.ts';
import type { Coding } from '../io/coding/port.ts';
import type { Repository } from '../io/repository/port.ts';

type ListedScope = { repository: Repository; database: string; coding: Coding };

type ListTimeline = (timeline: string, recalledMs?: number) => Promise<Piece[]>;
type RememberedListing = { listTimeline: ListTimeline; relist: () => void; isBare: (piece: Piece) => boolean };
type Noting = { recalledMs?: number | undefined; bare?: Set<string> };

/** What is listed of a timeline, once, until it is to be listed anew. */
export function rememberedListing(scope: ListedScope): RememberedListing {
  let listed = new Map<string, Promise<Piece[]>>();
  const bare = new Set<string>();
  return {
    listTimeline: (timeline, recalledMs) => {
      const known = listed.get(timeline) ?? listPieces(scope, timeline, { recalledMs, bare });
      listed.set(timeline, known);
      return known;
    },
    relist: () => {
      listed = new Map();
      bare.clear();
    },
    isBare: ({ key }) => bare.has(key),
  };
}

/** Every piece of one timeline, and which of them have no sidecar, for its name comes behind; those that are stored as all is now come first, so that they are read where others cover the same. */
export async function listPieces({ repository, database, coding }: ListedScope, timeline: string, noting: Noting = {}): Promise<Piece[]> {
  const { recalledMs = 0, bare } = noting;
  const pieces: Piece[] = [];
  const otherwise: Piece[] = [];
  for await (const key of repository.keys(timelinePrefix(database, timeline), { recalledMs })) {
    const piece = parsePieceKey(key);
    if (piece === undefined) bare?.delete(key.slice(0, -sidecarKey('').length));
    else if (piece.endBytes > 0) bare?.add(key);
    if (piece !== undefined) (suffixOf(key) === coding.suffix ? pieces : otherwise).push(piece);
  }
  return [...pieces, ...otherwise];
}
