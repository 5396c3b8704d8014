/** What the workflows disasterRecovery and rotateKeys do, without Temporal. */
import type { DisasterRecoveryResult } from '../../src/contract/disaster-recovery.ts';
import type { RotateKeysResult } from '../../src/contract/rotate-keys.ts';
import { createRepositoryOpener } from '../../src/worker/repositories.ts';
import { disasterRecovery } from '../../src/workflows/disaster-recovery.ts';
import type { Engine } from '../../src/workflows/engine.ts';
import { rotateKeys } from '../../src/workflows/rotate-keys.ts';
import { DATABASE, type DatabaseStack } from './database-stack.ts';
import { directDeps, directEngine } from './direct-backup.ts';

const DB2 = { name: 'db2', installationId: '22222222-2222-4222-8222-222222222222' };

/** On a host that stands by for one that has burnt; no backup follows. */
export async function recoverOnto(host: DatabaseStack): Promise<DisasterRecoveryResult> {
  const deps = directDeps(host, createRepositoryOpener(host.config), DB2);
  const engine = directEngine({ deps, type: 'disasterRecovery' }, () => ({ endRunOfLostOwner: async () => Promise.resolve(null) }));
  const hosts: Engine['places']['hosts'] = async (database) => ({ owner: undefined, standby: await engine.places.owner(database) });
  const places = { ...engine.places, hosts, ownerIfStillThere: async () => Promise.resolve(undefined) };
  return disasterRecovery({ database: DATABASE }, { ...engine, places });
}

/** `afterBatch`: what others do meanwhile. */
export async function rotateNow(
  stack: DatabaseStack,
  { afterBatch }: { afterBatch?: () => Promise<unknown> } = {},
): Promise<RotateKeysResult> {
  const engine = directEngine({ deps: directDeps(stack), type: 'rotateKeys' }, ({ rotateObjects }) => ({
    rotateObjects: async (input) => {
      const batch = await rotateObjects(input);
      await afterBatch?.();
      return batch;
    },
  }));
  return rotateKeys({ database: DATABASE }, engine);
}
