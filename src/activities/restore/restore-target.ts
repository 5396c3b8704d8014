import { stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { AgentConfig } from '../../config/agent-config.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import type { Database } from '../../database/database.ts';
import { missingServerProgram } from '../../database/scratch-needs.ts';
import { requireReadableSecrets } from '../../database/server-start.ts';
import {
  checkDataDirectory,
  isEmptyFolder,
  isOnDisk,
  renameFault,
  requireTargetAllowed,
  type TargetRules,
} from '../../io/data-directory/restore-target.ts';
import { processesWithOpenFilesUnder } from '../../io/process/open-files.ts';
import { repositoryFolders } from '../../config/repository.ts';

export type Refusals = (check: () => Promise<void>) => Promise<void>;

/**
 * What keeps a restore in place from being carried out, looked at while nothing is touched yet: service-unmanaged,
 * data-directory-unsupported, service-stop-failed; and, of a database that isn't about to be taken over by a host that is prepared later,
 * server-program-missing and invalid-config (a secret file).
 */
export async function checkPlace(database: Database, refusals: { each: Refusals; isPrepared: boolean }): Promise<void> {
  const { each, isPrepared } = refusals;
  await each(async () => requireManaged(database));
  await each(() => requireMovable(database));
  await each(() => requireOneWriter(database));
  if (!isPrepared) return;
  await each(() => requireServerProgram(database));
  await each(() => requireReadableSecrets(database.server));
}

/** Fails: invalid-input, where the target is the database's own directory or lies on no disk; target-not-allowed; target-not-empty. */
export async function checkTarget(dataDir: string, config: AgentConfig): Promise<void> {
  const live = Object.entries(config.databases).find(([, settings]) => settings.dataDir === dataDir);
  if (live !== undefined) {
    throw new RstowError(
      'invalid-input',
      `field "to.dataDir" is the data directory of database "${live[0]}"; leave "to" out to restore in place`,
    );
  }
  if (!(await isOnDisk(dataDir))) throw new RstowError('invalid-input', `field "to.dataDir": ${dataDir} does not lie on a disk`);
  await requireTarget(config, dataDir);
  if (await isEmptyFolder(dataDir)) return;
  throw new RstowError('target-not-empty', `${dataDir} is not an empty folder`, { details: { dataDir } });
}

/**
 * Nothing locks a log: a program that writes in it beside the server would go on writing in what is replaced. Another
 * server of the same program is ended together with the first. Fails: service-stop-failed.
 */
export async function requireOneWriter({ dataDir, walDir }: Database): Promise<void> {
  const writers = await processesWithOpenFilesUnder(walDir, { ignorePid: process.pid, writersOnly: true });
  if (new Set(writers.map(({ command }) => command)).size < 2) return;
  const processes = writers.map(({ pid, command }) => `${pid} (${command})`);
  const sentence = `several programs have ${walDir} open for writing: ${processes.join(', ')}; end those that are not the server, which was not stopped`;
  throw new RstowError('service-stop-failed', sentence, { details: { dataDir, processes } });
}

/** Fails: service-unmanaged. */
export function requireManaged({ name, server }: Database): void {
  if (server.service.isManaged) return;
  const sentence = `no service is configured, so rstow can’t stop the server at ${server.address} and start it again`;
  throw new RstowError('service-unmanaged', sentence, { details: { database: name } });
}

async function requireMovable({ dataDir }: Database): Promise<void> {
  const layout = await checkDataDirectory(dataDir);
  if (layout.kind === 'missing') return;
  if (layout.kind === 'wal-unsupported') {
    throw new RstowError('data-directory-unsupported', `${layout.path} is a ${layout.why}, so wal/ can't be swapped by a rename`, {
      details: { path: layout.path, why: layout.why },
    });
  }
  const errno = await renameFault(layout.dataDir, 'wal');
  if (errno === undefined) return;
  const why = errno === 'EXDEV' ? 'it belongs to a lower layer of an overlay file system, such as a container’s image' : errno;
  throw new RstowError('data-directory-unsupported', `${layout.dataDir}/wal can't be renamed, so wal/ can't be swapped: ${why}`, {
    details: { path: `${layout.dataDir}/wal`, why: errno },
  });
}

async function requireServerProgram(database: Database): Promise<void> {
  if (database.settings.rehearsal.policy === 'off') return;
  const missing = await missingServerProgram(database);
  if (missing !== undefined) throw missing;
}

/** Where copies of data are usually put, and nothing that the system reads. */
const SCRATCH_ROOT = '/var/tmp';

/** Whether this agent may restore into that folder. Fails: target-not-allowed. */
export async function requireTarget(config: AgentConfig, target: string): Promise<void> {
  await requireTargetAllowed(target, await targetRules(config));
}

/** Where the guide's scripts put their archives. */
const ARCHIVE_ROOT = '/backup';

/** Where archives lie that an import reads and an export writes. */
export function archiveRoots(config: AgentConfig): string[] {
  return config.agent.archiveRoots ?? [ARCHIVE_ROOT, ...usualRoots(config)];
}

function usualRoots({ databases }: AgentConfig): string[] {
  const beside = Object.values(databases).map(({ dataDir }) => dirname(dataDir));
  return [...new Set([...beside.filter((folder) => folder !== '/'), SCRATCH_ROOT])];
}

/** Whether this agent may write an archive there, with the same care. Fails: file-not-allowed. */
export async function requireArchiveTarget(config: AgentConfig, file: string): Promise<void> {
  await requireTargetAllowed(file, { ...(await targetRules(config)), what: 'archive', roots: archiveRoots(config) });
}

async function targetRules(config: AgentConfig): Promise<TargetRules> {
  const { agent, databases, repositories } = config;
  const dataDirs = Object.values(databases).map(({ dataDir }) => dataDir);
  return {
    what: 'restore',
    roots: agent.restoreRoots ?? usualRoots(config),
    taken: [...dataDirs, ...repositoryFolders(repositories), agent.stateDir],
    trustedUids: [0, process.getuid?.() ?? 0, ...(await ownersOf(dataDirs))],
  };
}

/** Whoever owns a database's data can change them anyhow. */
async function ownersOf(dataDirs: readonly string[]): Promise<number[]> {
  const owners = await Promise.all(
    dataDirs.map((dataDir) =>
      stat(dataDir).then(
        ({ uid }) => uid,
        () => undefined,
      ),
    ),
  );
  return owners.filter((uid) => uid !== undefined);
}
