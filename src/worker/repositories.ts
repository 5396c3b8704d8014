import { join } from 'node:path';
import type { AgentConfig, RepositoryConfig } from '../config/agent-config.ts';
import { RstowError } from '../core/errors/rstow-error.ts';
import { readStateFile, replaceStateFile } from '../io/agent-state/state-file.ts';
import { limited } from '../io/repository/wrap/limit.ts';
import { type CallGate, createCallGate } from '../io/repository/wrap/call-gate.ts';
import { openFolderRepository } from '../io/repository/folder.ts';
import { openRepository } from '../io/repository/header.ts';
import { ownObjects } from '../io/repository/wrap/own-objects.ts';
import type { Repository } from '../io/repository/port.ts';
import { requireSeparate } from './separate-places.ts';

type RepositoryOpener = (name: string) => Promise<Repository>;

/** Takes what a person should know of a repository, once. */
type Notice = (facts: { repository: string; key?: string }, sentence: string) => void;

type Opened = { repository: Repository; id: string };

/** Of the process's threads for files, UV_THREADPOOL_SIZE, so many at most go to one repository. */
const CALLS_MAX = 6;
const UNANSWERED_MAX = 2;
const RETRY_MS = 10_000;

/**
 * Opens each repository once; one that could not be opened is tried again at the next call. Its header is read each
 * time: somebody may have emptied or exchanged it, or a newer version may have raised what it takes to use it. One that
 * hangs fails with repository-unavailable, and takes nothing from the others.
 */
export function createRepositoryOpener(config: AgentConfig, notice: Notice = () => undefined): RepositoryOpener {
  const { repositories, agent, timing, databases } = config;
  const opened = new Map<string, Promise<Opened>>();
  const bounds = { answerMs: timing.repositoryAnswerMs, callsMax: CALLS_MAX, unansweredMax: UNANSWERED_MAX, retryMs: RETRY_MS };
  const gates = new Map<string, CallGate>();
  const gateOf = (name: string, path: string): CallGate => {
    const gate = gates.get(name) ?? createCallGate(`folder ${path}`, bounds);
    gates.set(name, gate);
    return gate;
  };
  return async (name) => {
    const folder = repositories[name];
    if (folder === undefined) throw unknown(name, Object.keys(repositories));
    const gate = gateOf(name, folder.path);
    const known = opened.get(name);
    if (known !== undefined) return stillThere(await known, gate);
    const onUnsynced = (): void => notice({ repository: name }, unsynced(folder));
    const onForeign = (key: string): void => notice({ repository: name, key }, foreign(folder, key));
    const opening = gate.call('open it', () =>
      open(folder, { knownIdPath: join(agent.stateDir, 'repositories', name), databases, onUnsynced, onForeign }),
    );
    opened.set(name, opening);
    try {
      return limited((await opening).repository, gate);
    } catch (error) {
      opened.delete(name);
      throw error;
    }
  };
}

type Opening = { knownIdPath: string; databases: AgentConfig['databases']; onUnsynced: () => void; onForeign: (key: string) => void };

/**
 * Makes a new repository the first time only: what was one before and is empty now is a disk that is not mounted,
 * and one with another id is the wrong disk.
 */
async function open({ path }: RepositoryConfig, { knownIdPath, databases, onUnsynced, onForeign }: Opening): Promise<Opened> {
  await requireSeparate(path, databases);
  const repository = ownObjects(await openFolderRepository(path, { onUnsynced }), onForeign);
  const knownId = (await readStateFile(knownIdPath))?.trim();
  const { id } = await openRepository(repository, knownId === undefined ? 'create' : 'write');
  if (knownId === undefined) await replaceStateFile(knownIdPath, `${id}\n`);
  else if (id !== knownId) throw replaced(repository, knownId, id);
  return { repository, id };
}

async function stillThere({ repository: opened, id: knownId }: Opened, gate: CallGate): Promise<Repository> {
  const repository = limited(opened, gate);
  const { id } = await openRepository(repository, 'write');
  if (id !== knownId) throw replaced(repository, knownId, id);
  return repository;
}

function replaced({ description }: Repository, knownId: string, id: string): RstowError {
  const sentence = `${description} holds repository ${id}, but this agent has used ${knownId} there; the wrong disk may be mounted`;
  return new RstowError('repository-unavailable', sentence, { details: { knownId, id } });
}

function unsynced({ path }: RepositoryConfig): string {
  return `the disk of folder ${path} can't make folders durable, as some network disks can't: if its host loses power, the newest backups may be missing`;
}

function foreign({ path }: RepositoryConfig, key: string): string {
  return `folder ${path} holds ${key}, which is none of rstow's objects: it is passed over, and may be removed`;
}

function unknown(name: string, known: string[]): RstowError {
  return new RstowError('unknown-repository', `this agent's config has no repository "${name}"; it has: ${known.join(', ')}`);
}
