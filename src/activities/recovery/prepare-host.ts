import { readFile } from 'node:fs/promises';
import { buffer } from 'node:stream/consumers';
import type { Warning } from '../../contract/result.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { placeConfigFile } from '../../io/rstmdb/config-file.ts';
import { errnoOf } from '../../io/files/errno.ts';
import { runCommand } from '../../io/process/run-command.ts';
import { lacksSecrets, withFreshSecrets } from '../../io/rstmdb/secrets.ts';
import type { ActivityDeps } from '../activity-deps.ts';
import { requireAuthority } from '../authority/authority.ts';
import { openDatabase } from '../../database/database.ts';
import type { RunPort } from '../run-port.ts';
import { CONFIG_FILE_BYTES_MAX } from '../../store/attachments.ts';

export type PreparedHost = { placed: string[]; warnings: Warning[] };
export type PrepareHostInput = { database: string; repository: string; label: string; planHash: string };

const COMMAND_TIMEOUT_MS = 600_000;

/**
 * Makes this host one that can run the server: the server's config files that it lacks come back from the backup, then
 * the configured commands run, in order. Fails: prepare-failed, naming the command; signature-refused.
 * Twice: files stay; commands run again, even beside those of an agent that was killed.
 */
export const prepareHost =
  (deps: ActivityDeps) =>
  async ({ database, repository, label, planHash }: PrepareHostInput, run: RunPort): Promise<PreparedHost> => {
    await requireAuthority(deps, run, { database, planHash });
    const { settings, dataDir } = openDatabase(deps, database);
    const store = await deps.openStore(database, repository);
    const { attachments, ownership } = await store.backups.read(label);
    const placed: string[] = [];
    const warnings: Warning[] = [];
    for (const [index, path] of settings.server.configFiles.entries()) {
      const attachment = attachments.find((candidate) => candidate.name.startsWith(`server-config-${index + 1}-`));
      if (attachment === undefined) continue;
      const content = async (): Promise<Uint8Array> => {
        const bytes = store.attachments.read({ label, attachment, signal: run.signal, plainBytesMax: CONFIG_FILE_BYTES_MAX });
        return withFreshSecrets(await buffer(bytes));
      };
      if (await placeConfigFile({ path, gid: ownership.gid, content })) placed.push(path);
      if (await stillLacksSecrets(path)) warnings.push(secretsLacking(path));
    }
    for (const [index, command] of settings.prepare.entries()) {
      run.report({ preparing: command[0] ?? '', number: index + 1 });
      await runOne({ command, number: index + 1, env: { RSTOW_DATABASE: database, RSTOW_DATA_DIR: dataDir } }, run);
    }
    return { placed, warnings };
  };

/** Also of a file that an attempt before has placed. One that only its owner may read is the operator's own. */
async function stillLacksSecrets(path: string): Promise<boolean> {
  try {
    return lacksSecrets(await readFile(path));
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return false;
  }
}

function secretsLacking(path: string): Warning {
  const message = `${path} came back from the backup, which holds none of its secrets: write them over each removed-by-rstow-…, and restart the server`;
  return { code: 'config-secrets-lacking', message };
}

type Preparation = { command: readonly string[]; number: number; env: Record<string, string> };

async function runOne({ command, number, env }: Preparation, run: RunPort): Promise<void> {
  const name = `prepare command ${number} (${command[0] ?? ''})`;
  try {
    const { exitCode, stderr } = await runCommand(command, { env, timeoutMs: COMMAND_TIMEOUT_MS, signal: run.signal });
    if (exitCode === 0) return;
    const said = stderr.trim().split('\n').at(-1) ?? '';
    throw new RstowError('prepare-failed', `${name} ended with ${exitCode}: ${said || 'it said nothing'}`, {
      details: { number, exitCode },
    });
  } catch (error) {
    // It is missing, or takes too long: that is not better a second later.
    if (!(error instanceof RstowError) || error.code !== 'failed') throw error;
    throw new RstowError('prepare-failed', `${name} failed: ${error.message}`, { details: { number }, cause: error });
  }
}
