import { RstowError } from '../core/errors/rstow-error.ts';
import { backupKey } from '../core/repository/object-keys.ts';
import { placeConfigFile } from '../io/agent-state/config-file.ts';
import { runCommand } from '../io/process/run-command.ts';
import type { ActivityDeps } from './activity-deps.ts';
import { readManifest } from './backups.ts';
import { databaseSettings } from './database-settings.ts';
import type { RunPort } from './run-port.ts';
import { plainBytes } from './stored-piece.ts';

export type PrepareHostInput = { database: string; repository: string; label: string };

const COMMAND_TIMEOUT_MS = 600_000;

/**
 * Makes this host one that can run the server: the server's config files that it lacks come back from the backup, then
 * the configured commands run, in order. Fails: prepare-failed, naming the command. Twice: commands run again, files stay.
 */
export const prepareHost =
  (deps: ActivityDeps) =>
  async ({ database, repository: name, label }: PrepareHostInput, run: RunPort): Promise<{ placed: string[] }> => {
    const settings = databaseSettings(deps.config, database);
    const repository = await deps.openRepository(name);
    const { attachments } = await readManifest(repository, database, label);
    const placed: string[] = [];
    for (const [index, path] of settings.server.configFiles.entries()) {
      const attachment = attachments.find((candidate) => candidate.name.startsWith(`server-config-${index + 1}-`));
      if (attachment === undefined) continue;
      const key = backupKey(database, label, attachment.name);
      if (await placeConfigFile(path, () => plainBytes({ repository, key, signal: run.signal }))) placed.push(path);
    }
    for (const [index, command] of settings.prepare.entries()) {
      run.report({ preparing: command[0] ?? '', number: index + 1 });
      await runOne(command, { database, dataDir: settings.dataDir }, run);
    }
    return { placed };
  };

type Facts = { database: string; dataDir: string };

async function runOne(command: readonly string[], { database, dataDir }: Facts, run: RunPort): Promise<void> {
  const env = { RSTOW_DATABASE: database, RSTOW_DATA_DIR: dataDir };
  const { exitCode, stderr } = await runCommand(command, { env, timeoutMs: COMMAND_TIMEOUT_MS, signal: run.signal });
  if (exitCode === 0) return;
  const said = stderr.trim().split('\n').at(-1) ?? '';
  throw new RstowError('prepare-failed', `the prepare command ${command[0] ?? ''} ended with ${exitCode}: ${said || 'it said nothing'}`, {
    details: { exitCode },
  });
}
