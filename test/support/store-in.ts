import type { Repository } from '../../src/io/repository/port.ts';
import type { Owner } from '../../src/formats/repository/history.ts';
import { createStores, type Store } from '../../src/store/store.ts';

/** What an agent sees of a database in one repository. */
export async function storeIn(repository: Repository, database = 'orders', installationId = 'one'): Promise<Store> {
  const owners = new Map<string, Owner>();
  const { openStore } = createStores({
    config: { databases: { [database]: { repositories: ['local'] } } },
    agent: { name: 'db1', installationId },
    requireInstallation: async () => Promise.resolve(),
    seenOwners: {
      recall: async (name) => Promise.resolve(owners.get(name)),
      remember: async (name, owner) => {
        owners.set(name, owner);
        return Promise.resolve();
      },
    },
    openRepository: async () => Promise.resolve(repository),
  });
  return openStore(database);
}
