import { parseSegmentFileName, type SegmentId } from '../wal/wal-offset.ts';

/** As a tar archive has it. */
export type RawEntry = { path: string; type: string };

/**
 * What an entry of an archive is to an import. `folder` is the one that `wal/` lies in, as the archive has it: empty, `20261129-030000`, or
 * `var/lib/rstmdb`. `other` is passed over and never written.
 */
export type ArchiveEntry =
  | { kind: 'segment'; folder: string; segment: SegmentId }
  | { kind: 'wal-folder'; folder: string }
  | { kind: 'about'; folder: string }
  | { kind: 'baseline'; folder: string }
  | { kind: 'snapshot' }
  | { kind: 'other' }
  | { kind: 'refused'; why: string };

const PATH_LENGTH_MAX = 1024;
const FILES: readonly string[] = ['File', 'OldFile', 'ContiguousFile'];

/** What rstow keeps in a data directory: links among it are its own, and nothing of it is read. */
const RSTOW_FOLDER = '.rstow';

/** GNU tar calls a sparse file so; what is in it is no segment as it stands. */
const SPARSE_FOLDER = 'GNUSparseFile.';

/** Names and types are all that is asked: an entry is never written under a name of its own. */
export function entryOf({ path, type }: RawEntry): ArchiveEntry {
  const fault = pathFault(path);
  if (fault !== undefined) return { kind: 'refused', why: fault };
  const parts = path.split('/').filter((part) => part !== '' && part !== '.');
  if (parts.includes(RSTOW_FOLDER)) return { kind: 'other' };
  if (type === 'Directory') {
    return parts.at(-1) === 'wal' ? { kind: 'wal-folder', folder: parts.slice(0, -1).join('/') } : { kind: 'other' };
  }
  if (!FILES.includes(type) || parts.some((part) => part.startsWith(SPARSE_FOLDER))) {
    return { kind: 'refused', why: `${path} is no ordinary file, but ${TYPES[type] ?? 'of a type that no backup has'}` };
  }
  return fileOf(path, parts);
}

const TYPES: Record<string, string> = {
  Link: 'a hard link',
  SymbolicLink: 'a symbolic link',
  CharacterDevice: 'a device',
  BlockDevice: 'a device',
  FIFO: 'a FIFO',
  File: 'a sparse file',
};

function fileOf(path: string, parts: readonly string[]): ArchiveEntry {
  const [name = '', parent] = [parts.at(-1), parts.at(-2)];
  if (parent === 'wal') return walFile(path, name, parts.slice(0, -2).join('/'));
  if (parts.includes('snapshots')) return { kind: name.endsWith('.snap') ? 'snapshot' : 'other' };
  return name === 'backup.json' ? { kind: 'about', folder: parts.slice(0, -1).join('/') } : { kind: 'other' };
}

function walFile(path: string, name: string, folder: string): ArchiveEntry {
  if (name === 'rstow-baseline.json') return { kind: 'baseline', folder };
  if (!name.endsWith('.wal')) return { kind: 'other' };
  const segment = parseSegmentFileName(name);
  return segment === undefined
    ? { kind: 'refused', why: `${path} is not what a server calls a segment` }
    : { kind: 'segment', folder, segment };
}

function pathFault(path: string): string | undefined {
  if (path.length > PATH_LENGTH_MAX) return `it has a name of ${path.length} characters`;
  // eslint-disable-next-line no-control-regex -- that is what is looked for
  if (/[\u0000-\u001f\u007f]/.test(path)) return `it has a name with control characters, ${JSON.stringify(path)}`;
  if (path.startsWith('/')) return `${path} is an absolute path`;
  if (path.split('/').includes('..')) return `${path} leads out of the archive`;
  return undefined;
}
