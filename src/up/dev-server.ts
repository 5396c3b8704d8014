/** Temporal's development server: its program, what it answers, and what rstow notes of it beside its file. */
import { basename, dirname, join } from 'node:path';
import { copyFile, open, readdir, rename } from 'node:fs/promises';
import { Connection } from '@temporalio/client';
import { channelArgsOf } from '../client/temporal.ts';
import { RstowError } from '../core/errors/rstow-error.ts';
import { type EmbeddedTemporalState, embeddedTemporalStateSchema } from '../formats/agent-state.ts';
import { readStateFile, replaceStateFile } from '../io/agent-state/state-file.ts';
import { runCommand } from '../io/process/run-command.ts';

/** A Temporal development server on the loopback interface; its runs live in a file. */
type DevServerPlace = { port: number; uiPort: number; databaseFile: string; namespace: string };

/** A server that is waited for is asked again. */
const ANSWER_MS = 2_000;
const CHANGE_MS = 20_000;

/** Every worker of an agent polls, and ten databases have dozens of them: the default limit of a namespace is soon met. */
const POLLERS_MAX = 10_000;

/** The namespace is made if it is missing. */
export function devServerCommand({ port, uiPort, databaseFile, namespace }: DevServerPlace): string[] {
  const addresses = ['--ip', '127.0.0.1', '--port', String(port), '--ui-port', String(uiPort)];
  const limits = ['--dynamic-config-value', `frontend.namespaceCount=${POLLERS_MAX}`];
  const files = ['--db-filename', databaseFile, '--log-level', 'error'];
  return ['temporal', 'server', 'start-dev', ...addresses, ...limits, ...files, '--namespace', namespace];
}

/** The id of the cluster that serves the namespace at this address; undefined if none answers within seconds. */
export async function answeringCluster(address: string, namespace: string): Promise<string | undefined> {
  try {
    return await withLoopback({ address, timeoutMs: ANSWER_MS }, async ({ workflowService }) => {
      await workflowService.describeNamespace({ namespace });
      return (await workflowService.getClusterInfo({})).clusterId;
    });
  } catch {
    return undefined;
  }
}

/** Closed runs are kept so long. Twice: no-op. */
export async function setRetention(address: string, namespace: string, retentionMs: number): Promise<void> {
  // The generated types ask for a Long; what encodes them takes a number as well.
  const request: object = { namespace, config: { workflowExecutionRetentionTtl: { seconds: retentionMs / 1000 } } };
  await withLoopback({ address, timeoutMs: CHANGE_MS }, ({ workflowService }) => workflowService.updateNamespace(request));
}

type Question = { address: string; timeoutMs: number };

/** Asked without TEMPORAL_* variables, which mean another server. */
async function withLoopback<T>({ address, timeoutMs }: Question, ask: (connection: Connection) => Promise<T>): Promise<T> {
  const connection = await Connection.connect({ address, connectTimeout: timeoutMs, channelArgs: channelArgsOf(address) });
  try {
    return await connection.withDeadline(Date.now() + timeoutMs, () => ask(connection));
  } finally {
    await connection.close();
  }
}

const VERSION_MS = 20_000;

/** `1.9.1`. Fails: temporal-cli-unsuitable. */
export async function installedCliVersion(): Promise<string> {
  const output = await runCommand(['temporal', '--version'], { timeoutMs: VERSION_MS }).catch((cause: unknown) => {
    const isMissing = cause instanceof RstowError && (cause.cause as NodeJS.ErrnoException | undefined)?.code === 'ENOENT';
    const sentence = `the program \`temporal\` ${isMissing ? 'is not on PATH' : 'can not be run'}`;
    throw new RstowError('temporal-cli-unsuitable', sentence, { cause });
  });
  const version = /^temporal version ([0-9]+\.[0-9]+\.[0-9]+)/.exec(output.stdout)?.[1];
  if (version === undefined) throw new RstowError('temporal-cli-unsuitable', '`temporal --version` prints no version');
  return version;
}

/** Below zero if the first is older, zero if they are the same. */
export function compareVersions(one: string, other: string): number {
  const [left, right] = [one, other].map((version) => version.split('.').map(Number));
  const differing = left?.findIndex((part, index) => part !== right?.[index]) ?? -1;
  return differing === -1 ? 0 : (left?.[differing] ?? 0) - (right?.[differing] ?? 0);
}

/** Undefined before the first start. Fails: agent-state-unsupported. */
export async function readTemporalState(folder: string): Promise<EmbeddedTemporalState | undefined> {
  const path = stateFile(folder);
  const text = await readStateFile(path);
  if (text === undefined) return undefined;
  try {
    return embeddedTemporalStateSchema.parse(JSON.parse(text));
  } catch (cause) {
    throw new RstowError('agent-state-unsupported', `${path} is not what rstow wrote`, { details: { path }, cause });
  }
}

/** Twice: the later one replaces the earlier. */
export async function writeTemporalState(folder: string, state: EmbeddedTemporalState): Promise<void> {
  await replaceStateFile(stateFile(folder), `${JSON.stringify(state)}\n`);
}

function stateFile(folder: string): string {
  return join(folder, 'server.json');
}

/** The SQLite file of the embedded Temporal: its copy before an upgrade, and what is done if it is lost or damaged. */

/** The first bytes of every SQLite database. */
const MAGIC = Buffer.from('SQLite format 3\0', 'latin1');

/** What a server logs about a database file that it can't read. */
const DAMAGE = /malformed|not a database|disk image|corrupt|disk I\/O error|no such table|unsupported file format/i;

/** Whether the end of a server's log says that its database file is damaged. */
export function saysDamaged(logText: string): boolean {
  return DAMAGE.test(logText);
}

/** Why the file can't be what a server has written there; undefined if it may be. */
export async function databaseLoss(databaseFile: string): Promise<string | undefined> {
  try {
    const file = await open(databaseFile, 'r');
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(MAGIC.length), 0, MAGIC.length, 0);
      if (bytesRead === 0) return 'is empty';
      return buffer.equals(MAGIC) ? undefined : 'is no database';
    } finally {
      await file.close();
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 'is gone';
    throw error;
  }
}

/** Gives the file, and its journals, another name; nothing is deleted. Gives that name, undefined if there is no file. */
export async function putAside(databaseFile: string, stamp: string): Promise<string | undefined> {
  const folder = dirname(databaseFile);
  const name = basename(databaseFile);
  const parts = (await readdir(folder)).filter((other) => other === name || /^-(journal|wal|shm)$/.test(other.slice(name.length)));
  const asideName = `${name}.damaged-${stamp}`;
  for (const part of parts.filter((other) => other.startsWith(name))) {
    await rename(join(folder, part), join(folder, `${asideName}${part.slice(name.length)}`));
  }
  return parts.includes(name) ? join(folder, asideName) : undefined;
}

/**
 * Copies a database file that nobody has open to `<name>.<version>.bak`, and with it the journal that a killed server
 * left beside it; SQLite finds that by its name. The database itself comes last: if it is there, the copy is whole.
 * Twice: a copy that is there stays.
 */
export async function copyDatabase(databaseFile: string, version: string): Promise<void> {
  const folder = dirname(databaseFile);
  const name = basename(databaseFile);
  const names = await readdir(folder);
  const copyName = `${name}.${version}.bak`;
  if (!names.includes(name) || names.includes(copyName)) return;
  const journals = names.filter((other) => other.startsWith(`${name}-`));
  for (const part of [...journals, name]) {
    await copyDurably(join(folder, part), join(folder, `${copyName}${part.slice(name.length)}`));
  }
  await syncPath(folder);
}

async function copyDurably(from: string, to: string): Promise<void> {
  const partial = `${to}.tmp`;
  await copyFile(from, partial);
  await syncPath(partial);
  await rename(partial, to);
}

async function syncPath(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
