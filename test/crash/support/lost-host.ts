/** A host that burns, and the empty one that is to take its place. */
import { cp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { currentOwner } from '../../../src/store/ownership.ts';
import { readTimelines } from '../../../src/store/timelines.ts';
import type { HotBackupResult } from '../../../src/contract/hot-backup.ts';
import { endHolders } from '../../../src/io/service/prove-stopped.ts';
import { DATABASE, type DatabaseStack } from '../../support/database-stack.ts';
import type { AcknowledgedWrite } from '../../support/load-writers.ts';
import { makeStandbyHost } from '../../support/standby-host.ts';
import { type CrashScene, crashSceneOn } from './crash-scene.ts';

export type LostHost = {
  /** The empty host: its agent runs, no server does. `backup` is what has to come back. */
  scene: CrashScene;
  /** Acknowledged before the backup was started. */
  savedWrites: AcknowledgedWrite[];
  /** Acknowledged after the backup, so lost with the host. */
  lostWrites: AcknowledgedWrite[];
  generation: number;
  timelines: number;
};

export type LoseHostOptions = {
  /** Of the agent to come. */
  name: string;
  /** Whether the new host's data directory holds an old copy of the log, as after a rescue by hand. */
  leavesOldData?: boolean;
  /** Merged into the new host's settings of the database. */
  database?: Record<string, unknown>;
};

/** Nothing is cleared away by these: what they did may be looked for. */
const prepareCommands = (folder: string): string[][] =>
  ['first', 'second'].map((word) => ['sh', '-c', `echo ${word} >> ${folder}/prepared; sleep 0.3`]);

/** Writes, backs up, writes on, and burns the owner's host: agent, server and disk at once. */
export async function loseHost(owner: CrashScene, first: DatabaseStack, options: LoseHostOptions): Promise<LostHost> {
  const { name } = options;
  const savedWrites = await owner.write(`saved-${name}`, 300);
  const backup = await owner.temporal.execute<HotBackupResult>('hotBackup', { database: DATABASE });
  const lostWrites = await owner.write(`lost-${name}`, 40);
  const repository = await first.openRepository();
  const known = {
    generation: (await currentOwner(repository, DATABASE))?.generation ?? 0,
    timelines: (await readTimelines(repository, DATABASE)).size,
  };
  const prepare = prepareCommands(join(first.folder, name));
  const host = await makeStandbyHost(first, { name, database: { prepare, ...options.database } });
  if (options.leavesOldData === true) await cp(owner.stack.walDir, host.walDir, { recursive: true });
  await burn(owner);
  const agent = await owner.startAgent(host.configFile);
  const close = async (): Promise<void> => {
    await scene.currentAgent().kill('SIGKILL');
    await host.remove();
    await owner.close();
  };
  const scene: CrashScene = crashSceneOn({ ...owner, stack: host, agent, close }, backup);
  return { scene, savedWrites, lostWrites, ...known };
}

async function burn({ currentAgent, stack }: CrashScene): Promise<void> {
  await currentAgent().kill('SIGKILL');
  await endHolders(stack.dataDir, { graceMs: 0 });
  for (const part of ['data', 'agent', 'service']) await rm(join(stack.folder, part), { recursive: true, force: true });
}
