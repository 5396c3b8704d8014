import { randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { RstowError } from '../../core/errors/rstow-error.ts';
import {
  type HeaderRaise,
  newRepositoryHeader,
  parseRepositoryHeader,
  raisedHeader,
  type RepositoryHeader,
} from '../../formats/repository/header.ts';
import { headerGeneration, HEADER_PREFIX, raisedHeaderKey, REPOSITORY_HEADER_KEY } from './object-key.ts';
import type { Repository } from './port.ts';
import { remembered } from './wrap/recall.ts';

const HEADER_SIZE_BYTES_MAX = 64 * 1024;

/** `create` is `write` that also makes the header of a new repository. */
export type RepositoryAccess = 'read' | 'write' | 'create';

/**
 * Reads and checks what the repository is, before anything else of it is used. Without `create` one that lacks a header
 * is taken for a disk that is not mounted. `recalledMs`: @see ListOptions
 * Fails: format-unsupported, damaged-object, repository-unavailable. Twice: the same header.
 */
export async function openRepository(repository: Repository, access: RepositoryAccess, recalledMs = 0): Promise<RepositoryHeader> {
  if (access === 'create') await makeHeaderIfAbsent(repository);
  const { text } = await newestHeader(repository, recalledMs);
  return parseRepositoryHeader(text, { access: access === 'read' ? 'read' : 'write', place: repository.description });
}

/**
 * Makes the repository say what it takes from now on to use it, before anything is stored that an older version would
 * misread. The raised header is an object of its own beside the others: of two who raise at once one finds the name
 * taken, and raises what the other has written. Who dies before the put has changed nothing.
 * Fails: as openRepository; format-unsupported too, where the other one's feature is unknown here. Twice: the same header.
 */
export async function raiseHeader(repository: Repository, raise: HeaderRaise): Promise<RepositoryHeader> {
  for (let found = await newestHeader(repository); ;) {
    const { text, generation } = found;
    const header = parseRepositoryHeader(text, { access: 'write', place: repository.description, features: raise.features });
    const raised = raisedHeader(header, raise);
    if (isDeepStrictEqual(raised, header)) return header;
    if ((await repository.put(raisedHeaderKey(generation + 1), headerBytes(raised))) === 'stored') return raised;
    // Read by its name: a listing of a network disk may be older.
    found = await readHeader(repository, { key: raisedHeaderKey(generation + 1), generation: generation + 1 });
  }
}

/** Reads first, so that a repository that cannot be written still opens. Of two makers the first wins and both read its header. */
async function makeHeaderIfAbsent(repository: Repository): Promise<void> {
  if ((await newestKey(repository)) !== undefined) return;
  await repository.put(REPOSITORY_HEADER_KEY, headerBytes(newRepositoryHeader(randomUUID())));
}

type HeaderName = { key: string; generation: number };
type FoundHeader = { text: string; generation: number };

/** None is ever rewritten: one that is listed needn't be read again. */
async function newestHeader(repository: Repository, recalledMs = 0): Promise<FoundHeader> {
  const newest = await newestKey(repository, recalledMs);
  if (newest === undefined) throw headerMissing(repository, REPOSITORY_HEADER_KEY);
  return readHeader(remembered(repository), newest);
}

async function readHeader(repository: Repository, { key, generation }: HeaderName): Promise<FoundHeader> {
  const bytes = await repository.read(key, { sizeBytesMax: HEADER_SIZE_BYTES_MAX });
  if (bytes === undefined) throw headerMissing(repository, key);
  return { text: Buffer.from(bytes).toString('utf8'), generation };
}

function headerMissing({ description }: Repository, key: string): RstowError {
  const sentence = `${description} has no ${key}: it is not mounted, somebody has emptied it, or it is not a repository yet`;
  return new RstowError('repository-unavailable', sentence);
}

async function newestKey(repository: Repository, recalledMs = 0): Promise<HeaderName | undefined> {
  let newest: HeaderName | undefined;
  for await (const key of repository.keys(HEADER_PREFIX, { folded: true, recalledMs })) {
    const generation = headerGeneration(key);
    if (generation !== undefined && generation > (newest?.generation ?? 0)) newest = { key, generation };
  }
  return newest;
}

function headerBytes(header: RepositoryHeader): Uint8Array {
  return Buffer.from(`${JSON.stringify(header, undefined, 2)}\n`);
}
