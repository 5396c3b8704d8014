import { join } from 'node:path';
import type { AgentConfig, RepositoryConfig } from '../config/agent-config.ts';
import { RstowError } from '../core/errors/rstow-error.ts';
import { readStateFile, replaceStateFile } from '../io/agent-state/state-file.ts';
import { backendOf, createOpener } from '../io/repository/open.ts';
import type { Repository } from '../io/repository/port.ts';
import { requireSeparate } from './separate-places.ts';

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
