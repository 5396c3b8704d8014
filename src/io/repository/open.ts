import type { RepositoryConfig } from '../../config/agent-config.ts';
import { RstowError, unreachable } from '../../core/errors/rstow-error.ts';
import { folderProperties, openFolderRepository } from './folder.ts';
import { openRepository } from './header.ts';
import type { Signing } from '../../core/repository/signing.ts';
import type { Repository, RepositoryProperties } from './port.ts';
import { s3Description, s3Properties } from './s3-place.ts';
import { type CallGate, createCallGate } from './wrap/call-gate.ts';
import { limited } from './wrap/limit.ts';
import { recalling } from './wrap/recall.ts';
import { retried } from './wrap/retry.ts';
import { isForeignKey } from '../../core/repository/object-keys.ts';

/** A kind of repository, before it is opened. */
type Backend = {
  /** As the repository's own. */
  description: string;
  properties: RepositoryProperties;
  open(): Promise<Repository>;
};

export type Opening = {
  backend: Backend;
  /** How long one call may take. */
  answerMs: number;
  /** Called before anything is read or written. */
  check: () => Promise<void>;
  /** The id that was found at the first opening: kept on this host, so that an empty or a wrong disk is told apart. */
  knownId: { read(): Promise<string | undefined>; keep(id: string): Promise<void> };
  /** How its sealed objects are signed; they aren't if absent. Called at the first opening. */
  signing?: (() => Promise<Signing>) | undefined;
  /** Called for what others have put among the objects. */
  onForeign: (key: string) => void;
};

type Opened = { repository: Repository; id: string };

const UNANSWERED_MAX = 2;
const RETRY_MS = 10_000;

/** So long the header of a repository whose calls cost stays as it was read: a bucket isn't unmounted. */
const HEADER_RECALLED_MS = 300_000;

/** Within the time that a call has. */
const PATIENCE = { triesMax: 5, firstWaitMs: 100 };

/** `onUnsynced` is called once, if the disk of a folder can't make folders durable. */
export function backendOf(settings: RepositoryConfig, onUnsynced: () => void): Backend {
  switch (settings.kind) {
    case 'folder': {
      const { path } = settings;
      return { description: `folder ${path}`, properties: folderProperties, open: () => openFolderRepository(path, { onUnsynced }) };
    }
    case 's3':
      // Its library takes a third of a second to load: only who has such a repository shall wait for it.
      return {
        description: s3Description(settings),
        properties: s3Properties,
        open: async () => (await import('./s3.ts')).openS3Repository(settings),
      };
    default:
      return unreachable(settings);
  }
}

/**
 * Opens the repository once; one that could not be opened is tried again at the next call. Its header is read each
 * time, or each five minutes where calls cost: somebody may have emptied or exchanged it, or a newer version may have raised what it takes
 * to use it. One that hangs fails with repository-unavailable, and takes nothing from the others.
 */
export function createOpener(opening: Opening): () => Promise<Repository> {
  const { description, properties } = opening.backend;
  const bounds = { answerMs: opening.answerMs, callsMax: properties.connections, unansweredMax: UNANSWERED_MAX, retryMs: RETRY_MS };
  const gate = createCallGate(description, bounds);
  let opened: Promise<Opened> | undefined;
  return async () => {
    if (opened !== undefined) return stillThere(await opened, gate);
    opened = gate.call('open it', () => open(opening));
    try {
      return limited((await opened).repository, gate);
    } catch (error) {
      opened = undefined;
      throw error;
    }
  };
}

/**
 * Makes a new repository the first time only: what was one before and is empty now is a disk that is not mounted,
 * and one with another id is the wrong disk.
 */
async function open({ backend, check, knownId: kept, signing, onForeign }: Opening): Promise<Opened> {
  await check();
  const { description, properties } = backend;
  if (!properties.conditionalPut) throw unconditional(description);
  const bare = await backend.open();
  const signed: Repository = { ...bare, signing: await signing?.() };
  const sure = properties.failsInPassing ? retried(signed, PATIENCE) : signed;
  const repository = ownObjects(properties.callsCost ? recalling(sure) : sure, onForeign);
  const knownId = await kept.read();
  const { id } = await openRepository(repository, knownId === undefined ? 'create' : 'write');
  if (knownId === undefined) await kept.keep(id);
  else if (id !== knownId) throw replaced(repository, knownId, id);
  return { repository, id };
}

async function stillThere({ repository: opened, id: knownId }: Opened, gate: CallGate): Promise<Repository> {
  const repository = limited(opened, gate);
  const { id } = await openRepository(repository, 'write', HEADER_RECALLED_MS);
  if (id !== knownId) throw replaced(repository, knownId, id);
  return repository;
}

function unconditional(description: string): RstowError {
  const sentence = `${description} can't store an object only if its name is free: two agents would overwrite each other's`;
  return new RstowError('repository-unsupported', sentence);
}

function replaced({ description }: Repository, knownId: string, id: string): RstowError {
  const sentence = `${description} holds repository ${id}, but this agent has used ${knownId} there; the wrong disk may be mounted`;
  return new RstowError('repository-unavailable', sentence, { details: { knownId, id } });
}

/** So many are enough to see whose they are. */
const NAMED_MAX = 5;

/** Takes each key once, and 5 of them at most. */
export function ofSome(take: (key: string) => void): (key: string) => void {
  const named = new Set<string>();
  return (key) => {
    if (named.has(key) || named.size === NAMED_MAX) return;
    named.add(key);
    take(key);
  };
}

/** The same repository without what others have put among its objects; `onForeign` is called once for each, for 5 at most. */
export function ownObjects(repository: Repository, onForeign: (key: string) => void): Repository {
  const name = ofSome(onForeign);
  return {
    ...repository,
    list: (prefix, options) => own(repository.list(prefix, options), ({ key }) => key, name),
    keys: (prefix, options) => own(repository.keys(prefix, options), (key) => key, name),
  };
}

/** A folder that stands for what lies in it is no object of others. */
async function* own<Item>(items: AsyncIterable<Item>, keyOf: (item: Item) => string, name: (key: string) => void): AsyncGenerator<Item> {
  for await (const item of items) {
    const key = keyOf(item);
    if (!key.endsWith('/') && isForeignKey(key)) name(key);
    else yield item;
  }
}
