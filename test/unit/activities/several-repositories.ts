/** A database with several repositories in memory, as one installation sees them; each can go away. */
import type { ActivityDeps, Events } from '../../../src/activities/activity-deps.ts';
import { RstowError } from '../../../src/core/errors/rstow-error.ts';
import type { Owner } from '../../../src/formats/repository/history.ts';
import type { SeenOwners } from '../../../src/io/agent-state/seen.ts';
import { zstdCoding } from '../../../src/io/coding/zstd.ts';
import type { Repository } from '../../../src/io/repository/port.ts';
import { createStores } from '../../../src/store/store.ts';
import { DATABASE } from './scene.ts';

const SILENT: Events = { record: () => undefined };

/** The deps of an installation that has just started; repositories whose names are in `away` can't be opened. */
export function depsOf(
  installationId: string,
  repositories: Record<string, Repository>,
  {
    away = new Set(),
    seenOwners = createMemoryOfOwners(),
    events = SILENT,
  }: { away?: ReadonlySet<string>; seenOwners?: SeenOwners; events?: Events } = {},
): ActivityDeps {
  const storeDeps = {
    agent: { name: `agent of ${installationId}`, installationId },
    config: { databases: { [DATABASE]: { repositories: Object.keys(repositories) } } },
    seenOwners,
    seenBackups: { recall: async () => Promise.resolve(undefined), remember: async () => Promise.resolve() },
    requireInstallation: async () => Promise.resolve(),
    openRepository: async (name: string) => {
      const repository = repositories[name];
      if (away.has(name) || repository === undefined) throw new RstowError('repository-unavailable', `${name} is away`);
      return Promise.resolve(repository);
    },
    codingOf: async () => Promise.resolve(zstdCoding),
  };
  return {
    ...storeDeps,
    ...createStores(storeDeps),
    temporal: { clusterId: 'cluster', namespace: 'default' },
    events,
  } as unknown as ActivityDeps;
}

/** What an installation keeps of the owners, over a restart where two deps are given it. */
export function createMemoryOfOwners(): SeenOwners {
  const owners = new Map<string, Owner>();
  return {
    recall: async (database) => Promise.resolve(owners.get(database)),
    remember: async (database, owner) => {
      owners.set(database, owner);
      return Promise.resolve();
    },
  };
}

export const claimOf = (installationId: string, generation = 1): Owner => ({
  format: 1,
  generation,
  agent: 'db1',
  installationId,
  temporal: { clusterId: 'cluster', namespace: 'default' },
  timeline: '0001',
  claimedAtMs: 1,
});
