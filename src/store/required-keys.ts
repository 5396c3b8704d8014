import { keySetOf, suffixOf } from '../core/repository/coded-name.ts';
import { parsePieceKey } from '../core/repository/piece.ts';
import { parseStreamKey } from '../core/repository/stream-piece.ts';
import { isObjectDamage } from '../core/errors/error-table.ts';
import { RstowError } from '../core/errors/rstow-error.ts';
import type { Coding } from '../io/coding/port.ts';
import type { Repository } from '../io/repository/port.ts';
import { plainBytes } from './stored-object.ts';

/** A part of an object that will be read. */
type Needed = { slices: readonly { key: string }[] };

/**
 * Whether this host can open all that will be read, before anything of it is fetched or stopped: by the name of each key set, and by beginning to
 * open the smallest object of each. What was asked once is known. What is damaged or gone is left to whoever reads it.
 * Fails: wrong-key, invalid-config (a key's file), encryption-unsupported, repository-unavailable.
 */
export function keyRequirement({ repository, coding }: { repository: Repository; coding: Coding }): RequireKeys {
  const proved = new Set<string>();
  const { signal } = new AbortController();
  return async (needed) => {
    for (const [suffix, key] of smallestOfEach(needed)) {
      if (proved.has(suffix)) continue;
      await coding.requireKey(key);
      await beginToOpen({ repository, coding, key, signal });
      proved.add(suffix);
    }
  };
}

export type RequireKeys = (needed: readonly Needed[]) => Promise<void>;

/** By how their names end; what is not encrypted needs no key. */
function smallestOfEach(needed: readonly Needed[]): Map<string, string> {
  const smallest = new Map<string, string>();
  for (const { key } of needed.flatMap(({ slices }) => slices)) {
    const suffix = suffixOf(key);
    if (suffix === undefined || keySetOf(key) === undefined) continue;
    const known = smallest.get(suffix);
    if (known === undefined || plainSize(key) < plainSize(known)) smallest.set(suffix, key);
  }
  return smallest;
}

function plainSize(key: string): number {
  const range = parsePieceKey(key) ?? parseStreamKey(key);
  return range === undefined ? 0 : range.endBytes - range.startBytes;
}

async function beginToOpen(object: Parameters<typeof plainBytes>[0]): Promise<void> {
  try {
    for await (const _chunk of plainBytes({ ...object, expectedSizeBytes: plainSize(object.key) })) return;
  } catch (error) {
    if (!(error instanceof RstowError) || !isObjectDamage(error.code)) throw error;
  }
}
