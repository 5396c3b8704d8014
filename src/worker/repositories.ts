import { join } from 'node:path';
import type { AgentConfig, RepositoryConfig } from '../config/agent-config.ts';
import { RstowError } from '../core/errors/rstow-error.ts';
import { readStateFile, replaceStateFile } from '../io/agent-state/state-file.ts';
import { backendOf, createOpener, ofSome } from '../io/repository/open.ts';
import { keySetKey } from '../core/repository/coded-name.ts';
import { keySetSchema } from '../formats/repository/key-set.ts';
import { once } from '../io/coding/cipher.ts';
import { type KeySets, openCoding } from '../io/coding/open.ts';
import type { Coding } from '../io/coding/port.ts';
import { zstdCoding } from '../io/coding/zstd.ts';
import { openRepository as openHeader } from '../io/repository/header.ts';
import type { Repository } from '../io/repository/port.ts';
import { putSealed, readSealed, unlessUnreadable } from '../io/repository/sealed-object.ts';
import { liesIn } from '../io/files/free-space.ts';
import { errnoOf } from '../io/files/errno.ts';
import { signingBy } from '../io/signing/object-signature.ts';
import { ownSigningKey } from './signing-key.ts';
import { repositoryPlace } from '../core/repository/repository-place.ts';

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

/** How each repository's objects are stored and read; what can't be opened is tried again at the next call. */
export function createCodings({ repositories }: AgentConfig, openRepository: RepositoryOpener): (name: string) => Promise<Coding> {
  const codings = new Map(
    Object.entries(repositories).map(([name, settings]) => {
      const isPlain = settings.encryption === undefined && settings.formerEncryption === undefined;
      return [name, once(async () => (isPlain ? zstdCoding : encryptedCoding(name, settings, openRepository)))];
    }),
  );
  return async (name) => {
    const open = codings.get(name);
    if (open === undefined) throw unknown(name, [...codings.keys()]);
    return open();
  };
}

async function encryptedCoding(
  name: string,
  { encryption, formerEncryption }: RepositoryConfig,
  openRepository: RepositoryOpener,
): Promise<Coding> {
  const { id } = await openHeader(await openRepository(name), 'read');
  const keySets: KeySets = {
    read: async (keySet) => unlessUnreadable(readSealed(await openRepository(name), keySetKey(keySet), keySetSchema)),
    put: async (keySet, value) => {
      await putSealed(await openRepository(name), keySetKey(keySet), { schema: keySetSchema, value });
    },
  };
  return openCoding({ name, id, keySets, encryption, formerEncryption });
}

type Named = { settings: RepositoryConfig; notice: Notice };

function openerOf({ agent, timing, databases }: AgentConfig, name: string, { settings, notice }: Named): () => Promise<Repository> {
  const knownIdPath = join(agent.stateDir, 'repositories', name);
  return createOpener({
    backend: backendOf(settings, () => notice({ repository: name }, unsynced(settings))),
    answerMs: timing.repositoryAnswerMs,
    check: async () => {
      if (settings.kind === 'folder') await requireSeparate(settings.path, databases);
    },
    knownId: {
      read: async () => (await readStateFile(knownIdPath))?.trim(),
      keep: (id) => replaceStateFile(knownIdPath, `${id}\n`),
    },
    signing: async () => {
      const signers = settings.signers && Object.values(settings.signers);
      return signingBy(
        await ownSigningKey(agent.stateDir),
        signers,
        ofSome((key) => notice({ repository: name, key }, unsigned(name, key))),
      );
    },
    onForeign: (key) => notice({ repository: name, key }, foreign(settings, key)),
  });
}

function unsynced(settings: RepositoryConfig): string {
  return `the disk of folder ${repositoryPlace(settings)} can't make folders durable, as some network disks can't: if its host loses power, the newest backups may be missing`;
}

function foreign(settings: RepositoryConfig, key: string): string {
  return `${settings.kind === 'folder' ? 'folder' : 'bucket'} ${repositoryPlace(settings)} holds ${key}, which is none of rstow's objects: it is passed over, and may be removed`;
}

function unsigned(name: string, key: string): string {
  return `repository "${name}" holds ${key}, which nobody has signed whom its config lists: it is passed over`;
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
