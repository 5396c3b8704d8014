import { RstowError } from '../core/errors/rstow-error.ts';
import { suffixOf } from '../core/repository/coded-name.ts';
import type { Repository } from '../io/repository/port.ts';
import { plainBytes, type StoredPiece } from './stored-object.ts';

/** Works with a stored object; once more with another form of it if that one is deleted by now, as a rotation of keys does. Fails: as the work does. */
export async function inPresentForm<T>(repository: Repository, key: string, work: (key: string) => Promise<T>): Promise<T> {
  try {
    return await work(key);
  } catch (error) {
    return work(await otherForm(repository, key, error));
  }
}

/** The same, of its plain bytes. @see plainBytes */
export async function* presentBytes(piece: StoredPiece): AsyncGenerator<Uint8Array> {
  let isBegun = false;
  try {
    for await (const chunk of plainBytes(piece)) {
      isBegun = true;
      yield chunk;
    }
  } catch (error) {
    if (isBegun) throw error;
    yield* plainBytes({ ...piece, key: await otherForm(piece.repository, piece.key, error) });
  }
}

/** Fails: with the error, if it says anything else than that the object is gone, or if there is no other form. */
async function otherForm(repository: Repository, key: string, error: unknown): Promise<string> {
  const suffix = suffixOf(key);
  if (!(error instanceof RstowError) || error.code !== 'missing-object' || suffix === undefined) throw error;
  const stem = key.slice(0, -suffix.length);
  for await (const other of repository.keys(`${stem}.`)) {
    const its = suffixOf(other);
    if (its !== undefined && other !== key && other === `${stem}${its}`) return other;
  }
  throw error;
}
