/** What a second server on this host needs, and whether it is there: asked before anything is fetched. */
import { access } from 'node:fs/promises';
import { RstowError } from '../core/errors/rstow-error.ts';
import { sizeText } from '../core/text/figures.ts';
import { unlessAbsent } from '../io/files/errno.ts';
import { discoverServer } from '../io/rstmdb/discover-server.ts';
import { availableMemoryBytes } from '../io/process/machine.ts';
import { portHolders } from '../io/process/open-files.ts';
import { isPortFree } from '../io/service/ports.ts';
import type { ServerProgram } from '../io/service/service.ts';
import type { Database } from './database.ts';

/** Measured: a server that replays 200 MB of log peaks at 1.13 GB. */
const MEMORY_PER_WAL_BYTE = 5.6;
const MEMORY_RESERVE_BYTES = 64 * 1024 * 1024;

/** What a server that replays so much log needs at its peak. */
export function replayMemoryBytes(walBytes: number): number {
  return Math.ceil(walBytes * MEMORY_PER_WAL_BYTE) + MEMORY_RESERVE_BYTES;
}

/** Why a second server that replays a log of so many bytes should not be started here; undefined where it fits. */
export async function memoryShortage({ settings }: Database, walBytes: number): Promise<RstowError | undefined> {
  const neededBytes = replayMemoryBytes(walBytes);
  const limitBytes = settings.rehearsal.container?.memoryBytes ?? Number.POSITIVE_INFINITY;
  const availableBytes = Math.min(await availableMemoryBytes(), limitBytes);
  if (availableBytes >= neededBytes) return undefined;
  const sentence = `a server needs about ${sizeText(neededBytes)} of memory to replay this log, and ${sizeText(availableBytes)} are free`;
  return new RstowError('not-enough-memory', sentence, { details: { neededBytes, availableBytes } });
}

/** Of a port that the config fixes. Fails: port-taken. */
export async function requireScratchPort({ settings }: Database): Promise<void> {
  const { port } = settings.rehearsal;
  const taken = port === undefined ? undefined : await portShortage(port);
  if (taken !== undefined) throw taken;
}

/** Why a second server can't have the loopback port; undefined where it can. */
export async function portShortage(port: number): Promise<RstowError | undefined> {
  if (await isPortFree(port)) return undefined;
  const [holder] = await portHolders(port);
  const who = holder === undefined ? 'another program' : `process ${holder.pid} (${holder.command})`;
  return new RstowError('port-taken', `${who} listens on port ${port}, which the second server needs`, {
    details: { port, pid: holder?.pid ?? null, command: holder?.command ?? null },
  });
}

/**
 * What starts a second server beside the database's own: as the config says; else the program of the server that runs
 * just now, with the variables that it was given. Undefined where neither is known, or where the server runs in a container.
 */
export async function findServerProgram({ settings, server }: Database): Promise<ServerProgram | undefined> {
  const { rehearsal } = settings;
  const { program } = server.service;
  const command = rehearsal.command ?? program?.command;
  if (command !== undefined) return { command, env: rehearsal.env ?? program?.env ?? {}, cwd: rehearsal.cwd ?? program?.cwd };
  const running = await runningProgram(server);
  return running === undefined ? undefined : { ...running, env: { ...running.env, ...rehearsal.env } };
}

/** Undefined where a second server can be started; otherwise why not. */
export async function missingServerProgram(database: Database): Promise<RstowError | undefined> {
  if (database.settings.rehearsal.container !== undefined || (await findServerProgram(database)) !== undefined) return undefined;
  return serverProgramMissing();
}

export function serverProgramMissing(): RstowError {
  const sentence =
    'nothing says which program a second server is: no rehearsal.command, no rehearsal.container, no service of kind process, and no server runs here whose program could be used';
  return new RstowError('server-program-missing', sentence);
}

/** Its own variables alone: a second server gets the rest from us. */
async function runningProgram(place: Database['server']): Promise<ServerProgram | undefined> {
  const found = await discoverServer(place);
  if (found.kind !== 'process' && found.kind !== 'systemd') return undefined;
  const { command, cwd, environment } = found.launch;
  if ((await unlessAbsent(access(command[0] ?? '').then(() => true))) !== true) return undefined;
  const own = [...environment].filter(([name]) => name.startsWith('RSTMDB_'));
  return { command, env: Object.fromEntries(own), cwd };
}
