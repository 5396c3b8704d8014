import { access } from 'node:fs/promises';
import type { DatabaseConfig } from '../config/agent-config.ts';
import { RstowError } from '../core/errors/rstow-error.ts';
import { unlessAbsent } from '../io/files/system-error.ts';
import { discoverServer } from '../io/server-process/discover-server.ts';

/** What starts a second server beside the database's own. */
export type ServerProgram = { command: string[]; env: Record<string, string>; cwd: string | undefined };

/**
 * As the config says; else the program of the server that runs just now, with the variables that it was given. Undefined
 * where neither is known, or where the server runs in a container.
 */
export async function findServerProgram(settings: DatabaseConfig): Promise<ServerProgram | undefined> {
  const { rehearsal } = settings;
  const service = settings.service.kind === 'process' ? settings.service : undefined;
  const command = rehearsal.command ?? service?.command;
  if (command !== undefined) return { command, env: rehearsal.env ?? service?.env ?? {}, cwd: rehearsal.cwd ?? service?.cwd };
  const running = await runningProgram(settings);
  return running === undefined ? undefined : { ...running, env: { ...running.env, ...rehearsal.env } };
}

/** Undefined where a second server can be started; otherwise why not. */
export async function missingServerProgram(settings: DatabaseConfig): Promise<RstowError | undefined> {
  if (settings.rehearsal.container !== undefined || (await findServerProgram(settings)) !== undefined) return undefined;
  return serverProgramMissing();
}

export function serverProgramMissing(): RstowError {
  const sentence =
    'nothing says which program a second server is: no rehearsal.command, no rehearsal.container, no service of kind process, and no server runs here whose program could be used';
  return new RstowError('server-program-missing', sentence);
}

/** Its own variables alone: a second server gets the rest from us. */
async function runningProgram(settings: DatabaseConfig): Promise<ServerProgram | undefined> {
  const found = await discoverServer(settings);
  if (found.kind !== 'process' && found.kind !== 'systemd') return undefined;
  const { command, cwd, environment } = found.launch;
  if ((await unlessAbsent(access(command[0] ?? '').then(() => true))) !== true) return undefined;
  const told = [...environment].filter(([name]) => name.startsWith('RSTMDB_'));
  return { command: [...command], env: Object.fromEntries(told), cwd };
}
