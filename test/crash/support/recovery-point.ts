/** Instants of a disaster recovery at which the new host's agent is killed. */
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { ownerPrefix } from '../../../src/core/repository/object-keys.ts';
import { DATABASE } from '../../support/database-stack.ts';
import {
  filesBelow,
  hasManifest,
  hasPartial,
  hasPlan,
  type KillPoint,
  names,
  pointOf,
  RESTORE_POINTS,
  staged,
  type WatchedRun,
} from './kill-point.ts';

export type RecoveryPoint = KillPoint & {
  /** Only a host that has a wal/ comes to it. */
  needsOldData?: true;
};

const SELECTION = ['findCandidates', 'readOwnerGeneration', 'planRestore'];

/** In the order in which a run passes them; those of a restore are the same steps. */
export const RECOVERY_POINTS: readonly RecoveryPoint[] = [
  { name: 'a state is selected', isFast: true, reached: (run) => SELECTION.includes(run.activity() ?? '') },
  { name: 'its plan is stored', isFast: true, reached: (run) => hasPlan(run, 'restore-0') },
  { name: 'the first bytes are staged', isFast: true, reached: (run) => hasPartial(run) },
  { name: '0.6 MB are staged', isFast: true, reached: (run) => stagedBytes(run) >= 600_000 },
  { name: '1.4 MB are staged', isFast: true, reached: (run) => stagedBytes(run) >= 1_400_000 },
  asInRestore('the timeline is marked'),
  { name: 'the first command of prepare runs', reached: (run) => prepared(run) === 'first\n' },
  { name: 'the second command of prepare runs', reached: (run) => prepared(run) === 'first\nsecond\n' },
  asInRestore('the rehearsal server runs'),
  { name: 'it is about to become the owner', isFast: true, reached: (run) => run.activity() === 'takeOwnership' && generations(run) === 0 },
  { name: 'it has become the owner', isFast: true, reached: (run) => generations(run) > 0 },
  asInRestore('the stop note is written'),
  asInRestore('no server can start'),
  asInRestore('the swap begins'),
  { ...asInRestore('there is no wal/'), needsOldData: true },
  asInRestore('the new wal/ is in place'),
  asInRestore('the new server may start'),
  asInRestore('the new server is started'),
  asInRestore('the note is gone'),
  asInRestore('the restored state is compared'),
  { name: 'the fence of the first backup is stored', isFast: true, reached: (run) => hasPlan(run, 'fence') },
  { name: 'the manifest of the first backup is written', isFast: true, reached: (run) => hasManifest(run) },
  asInRestore('what was staged is cleared'),
];

/** Where the policy asks for it: between two steps. */
export const WAITS_FOR_APPROVAL: RecoveryPoint = {
  name: 'it waits for approval',
  reached: (run) => pointOf(RESTORE_POINTS, 'the timeline is marked').reached(run) && run.activity() === undefined,
};

export function recoveryPoint(name: string): RecoveryPoint {
  return pointOf(RECOVERY_POINTS, name);
}

function asInRestore(name: string): KillPoint {
  return pointOf(RESTORE_POINTS, name);
}

function stagedBytes(run: WatchedRun): number {
  const sizes = filesBelow(staged(run, 'wal')).map((path) => statSync(path, { throwIfNoEntry: false })?.size ?? 0);
  return sizes.reduce((sum, size) => sum + size, 0);
}

/** What the commands of this host's config have written. */
function prepared({ stack }: WatchedRun): string {
  const path = join(stack.folder, 'prepared');
  return statSync(path, { throwIfNoEntry: false }) === undefined ? '' : readFileSync(path, 'utf8');
}

/** The claims of this host's agent: it is another one than the hosts before it. */
function generations({ stack }: WatchedRun): number {
  const folder = join(stack.repositoryDir, ownerPrefix(DATABASE));
  return names(folder).filter((name) => readFileSync(join(folder, name), 'utf8').includes(`"agent": "${stack.config.agent.name}"`)).length;
}
