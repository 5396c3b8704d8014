import { randomUUID } from 'node:crypto';
import { newRepositoryHeader, parseRepositoryHeader } from '../../formats/repository/header.ts';
import type { RepositoryHeader } from '../../formats/repository/header.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { repositoryHeaderKey } from './object-key.ts';
import type { Repository } from './port.ts';

const headerSizeBytesMax = 64 * 1024;

/** `create` is `write` that also makes the header of a new repository. */
export type RepositoryAccess = 'read' | 'write' | 'create';

/**
 * Reads and checks what the repository is, before anything else of it is used. rstow never
 * rewrites a header, so fields of later versions stay. Without `create` a repository lacking one is taken for a disk that is not mounted.
 * Fails: format-unsupported, damaged-object, repository-unavailable. Twice: the same header.
 */
export async function openRepository(repository: Repository, access: RepositoryAccess): Promise<RepositoryHeader> {
  if (access === 'create') await makeHeaderIfAbsent(repository);
  const bytes = await readHeader(repository);
  if (bytes === undefined) {
    const sentence = `${repository.description} has no ${repositoryHeaderKey}: it is not mounted, somebody has emptied it, or it is not a repository yet`;
    throw new RstowError('repository-unavailable', sentence);
  }
  return parseRepositoryHeader(Buffer.from(bytes).toString('utf8'), access === 'read' ? 'read' : 'write', repository.description);
}

/** Reads first, so that a repository that cannot be written still opens. Of two makers the first wins and both read its header. */
async function makeHeaderIfAbsent(repository: Repository): Promise<void> {
  if ((await readHeader(repository)) !== undefined) return;
  const text = `${JSON.stringify(newRepositoryHeader(randomUUID()), undefined, 2)}\n`;
  await repository.put(repositoryHeaderKey, Buffer.from(text));
}

function readHeader(repository: Repository): Promise<Uint8Array | undefined> {
  return repository.read(repositoryHeaderKey, { sizeBytesMax: headerSizeBytesMax });
}
