import { meantText } from '../core/text/nearest-name.ts';

type CrossFault = { path: PropertyKey[]; what: string };

/**
 * What is wrong between sections. It reads the file as it stands: whatever else is wrong with it, these faults are told in
 * the same pass, and what isn't of its kind is left to the schema.
 */
export function crossFaults(config: unknown): CrossFault[] {
  const repositories = entriesOf(memberOf(config, 'repositories'));
  const databases = entriesOf(memberOf(config, 'databases'));
  return [...repositoryFaults(repositories, databases), ...placeFaults(repositories, databases)];
}

type Entries = [string, unknown][];

/** A database's repositories are names of this same file. */
function repositoryFaults(repositories: Entries, databases: Entries): CrossFault[] {
  const known = repositories.map(([name]) => name);
  return databases.flatMap(([database, section]) => {
    const names = memberOf(section, 'repositories');
    const listed: unknown[] = Array.isArray(names) ? names : [];
    return [...listed.entries()].flatMap(([index, name]) => {
      if (typeof name !== 'string' || known.includes(name)) return [];
      const what = `names the repository "${name}", which "repositories" does not have${meantText(name, known)}`;
      return [{ path: ['databases', database, 'repositories', index], what }];
    });
  });
}

/** A repository in a data directory is replaced with it, and a data directory in a repository is no object of it. */
function placeFaults(repositories: Entries, databases: Entries): CrossFault[] {
  const dataDirs = databases.map(([, section]) => memberOf(section, 'dataDir')).filter(isAbsolute);
  return repositories.flatMap(([name, section]) => {
    const path = memberOf(section, 'path');
    if (!isAbsolute(path)) return [];
    const dataDir = dataDirs.find((other) => isWithin(path, other) || isWithin(other, path));
    if (dataDir === undefined) return [];
    return [{ path: ['repositories', name, 'path'], what: `must lie outside of the data directory ${dataDir}, and not around it` }];
  });
}

function memberOf(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[key] : undefined;
}

function entriesOf(value: unknown): Entries {
  return typeof value === 'object' && value !== null ? Object.entries(value) : [];
}

function isAbsolute(value: unknown): value is string {
  return typeof value === 'string' && value.startsWith('/');
}

function isWithin(path: string, folder: string): boolean {
  const outer = partsOf(folder);
  const inner = partsOf(path);
  return outer.every((part, index) => part === inner[index]);
}

/** Of an absolute path, with `.` and `..` resolved. */
function partsOf(path: string): string[] {
  return path.split('/').reduce<string[]>((parts, part) => {
    if (part === '..') return parts.slice(0, -1);
    return part === '' || part === '.' ? parts : [...parts, part];
  }, []);
}
