import { access, constants, stat } from 'node:fs/promises';
import { checkDataDirectoryIsServers } from '../database/data-directory-check.ts';
import { openServer } from '../database/server.ts';
import type { AgentConfig, DatabaseConfig, TimingConfig } from '../config/agent-config.ts';
import { RstowError } from '../core/errors/rstow-error.ts';
import { readStopNote } from '../io/data-directory/stop-note.ts';
import { createCallGate } from '../io/repository/wrap/call-gate.ts';
import { requireSeparate } from '../worker/repositories.ts';

/** What no waiting mends. */
const FINAL: readonly string[] = ['data-directory-missing', 'data-directory-foreign', 'permission-denied', 'invalid-config'];

/** A wrong place shows at once; a server that is slow or down is waited for later. */
const SERVER_ANSWER_MS = 5_000;
const REPOSITORY_ANSWER_MS = 5_000;

/**
 * Refuses to begin if no database of the config can be served: a program that waits for ever for what can't come true
 * looks like protection. A server that is down is none of that: it will come up.
 * Fails: data-directory-missing, data-directory-foreign, permission-denied, invalid-config; the first database's.
 */
export async function requireUsablePlaces(config: AgentConfig): Promise<void> {
  const failures = await Promise.all(Object.values(config.databases).map((settings) => placeFailure(settings, config)));
  const [first] = failures;
  if (first !== undefined && !failures.includes(undefined)) throw first;
}

/** A host that stands by has nothing there yet, and a restore that was cut off is finished first. */
async function placeFailure(settings: DatabaseConfig, config: AgentConfig): Promise<RstowError | undefined> {
  try {
    for (const name of settings.repositories) await requireRepositoryApart(config, name);
    if (settings.standby) return undefined;
    await requireDirectory(settings.dataDir);
    if ((await readStopNote(settings.dataDir)) !== undefined) return undefined;
    await requireServersDirectory(settings, config.timing);
    return undefined;
  } catch (error) {
    if (!(error instanceof RstowError)) throw error;
    return FINAL.includes(error.code) ? error : undefined;
  }
}

/** A disk that hangs is checked again when the repository is opened. */
async function requireRepositoryApart({ repositories, databases }: AgentConfig, name: string): Promise<void> {
  const path = repositories[name]?.path;
  if (path === undefined) return;
  const gate = createCallGate(`folder ${path}`, { answerMs: REPOSITORY_ANSWER_MS, callsMax: 1, unansweredMax: 1, retryMs: 0 });
  await gate.call('find where it lies', () => requireSeparate(path, databases));
}

async function requireDirectory(dataDir: string): Promise<void> {
  try {
    if (!(await stat(dataDir)).isDirectory()) throw missing(dataDir, 'is no directory');
    await access(dataDir, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (cause) {
    const errno = (cause as NodeJS.ErrnoException).code ?? '';
    if (errno === 'ENOENT' || errno === 'ENOTDIR') throw missing(dataDir, 'does not exist');
    if (cause instanceof RstowError || !['EACCES', 'EPERM', 'EROFS'].includes(errno)) throw cause;
    const sentence = `this user can't read and write ${dataDir}: ${errno}`;
    throw new RstowError('permission-denied', sentence, { details: { dataDir, errno }, cause });
  }
}

function missing(dataDir: string, what: string): RstowError {
  return new RstowError('data-directory-missing', `${dataDir} ${what}`, { details: { dataDir } });
}

async function requireServersDirectory(settings: DatabaseConfig, timing: TimingConfig): Promise<void> {
  const server = openServer(settings, timing);
  await server.ask((client) => checkDataDirectoryIsServers(server, client), { answerMs: SERVER_ANSWER_MS });
}
