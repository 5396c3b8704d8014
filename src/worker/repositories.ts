import { join } from 'node:path';
import type { AgentConfig, RepositoryConfig } from '../config/agent-config.ts';
import { RstowError } from '../core/errors/rstow-error.ts';
import { readStateFile, replaceStateFile } from '../io/agent-state/state-file.ts';
import { backendOf, createOpener } from '../io/repository/open.ts';
import type { Repository } from '../io/repository/port.ts';
import { liesIn } from '../io/files/free-space.ts';
import { errnoOf } from '../io/files/errno.ts';

type RepositoryOpener = (name: string) => Promise<Repository>;

/** Takes what a person should know of a repository, once. */
type Notice = (facts: { repository: string; key?: string }, sentence: string) => void;

/** Opens the repositories of the config by name; @see createOpener. */
export function createRepositoryOpener(config: AgentConfig, notice: Notice = () => undefined): RepositoryOpener {
  const openers = new Map(
    Object.entries(config.repositories).map(([name, settings]) => [name, openerOf(config, name, { settings, notice })]),
  );
  return async (name) => {
    const open = openers.get(name);
    if (open === undefined) throw unknown(name, [...openers.keys()]);
    return open();
  };
}

type Named = { settings: RepositoryConfig; notice: Notice };

function openerOf({ agent, timing, databases }: AgentConfig, name: string, { settings, notice }: Named): () => Promise<Repository> {
  const knownIdPath = join(agent.stateDir, 'repositories', name);
  return createOpener({
    backend: backendOf(settings, () => notice({ repository: name }, unsynced(settings))),
    answerMs: timing.repositoryAnswerMs,
    check: () => requireSeparate(settings.path, databases),
    knownId: {
      read: async () => (await readStateFile(knownIdPath))?.trim(),
      keep: (id) => replaceStateFile(knownIdPath, `${id}\n`),
    },
    onForeign: (key) => notice({ repository: name, key }, foreign(settings, key)),
  });
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

/**
 * Refuses a repository in a data directory, with which it would be replaced, and one around it. The config's text was
 * compared when it was read; here links and mounts are followed, which can hang with the repository's disk.
 * Fails: invalid-config.
 */
export async function requireSeparate(path: string, databases: AgentConfig['databases']): Promise<void> {
  for (const { dataDir } of Object.values(databases)) {
    // wal/ may be a link to another disk.
    for (const folder of [dataDir, join(dataDir, 'wal')]) {
      if (!(await isEntangled(path, folder))) continue;
      const sentence = `the repository ${path} lies in or around ${folder}: it must lie outside of the data directory, and not around it`;
      throw new RstowError('invalid-config', sentence, { details: { path, folder } });
    }
  }
}

/** What can't be looked at is named by whoever opens it. */
async function isEntangled(path: string, folder: string): Promise<boolean> {
  try {
    return (await liesIn(path, folder)) || (await liesIn(folder, path));
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return false;
  }
}
