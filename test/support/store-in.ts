import type { Coding } from '../../src/io/coding/port.ts';
import { zstdCoding } from '../../src/io/coding/zstd.ts';
import type { Repository } from '../../src/io/repository/port.ts';
import type { SeenBackups } from '../../src/io/agent-state/seen.ts';
import type { Owner } from '../../src/formats/repository/history.ts';
import { createStores, type Store } from '../../src/store/store.ts';

type Installation = { installationId: string; seenBackups?: SeenBackups; /** Nothing is encrypted if absent. */ coding?: Coding };

const ONE: Installation = { installationId: 'one' };
const NOTHING_SEEN: SeenBackups = { recall: async () => Promise.resolve(undefined), remember: async () => Promise.resolve() };

/** What an agent sees of a database in one repository. */
export async function storeIn(repository: Repository, database = 'orders', installation: Installation = ONE): Promise<Store> {
  const { installationId, seenBackups = NOTHING_SEEN, coding = zstdCoding } = installation;
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
    seenBackups,
    openRepository: async () => Promise.resolve(repository),
    codingOf: async () => Promise.resolve(coding),
  });
  return openStore(database);
}
