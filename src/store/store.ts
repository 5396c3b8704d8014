import type { RstowError } from '../core/errors/rstow-error.ts';
import type { Coding } from '../io/coding/port.ts';
import type { Repository } from '../io/repository/port.ts';
import { type Attachments, attachmentsOf } from './attachments.ts';
import { type Backups, backupScope, backupsOf } from './backups.ts';
import { type Damage, damageOf, type Facts, factsOf, type Signatures, signaturesOf } from './facts.ts';
import { inEachRepository, openRepositoryOf, repositoriesOf, requireOneAnswer, type StoreDeps } from './database-repositories.ts';
import { type Claims, claimsOf, type Ownership, ownershipOf } from './ownership.ts';
import { asItWas } from './older-versions.ts';
import { type Marks, marksOf } from './marks.ts';
import { type Overview, overviewOf } from './overview.ts';
import { type Pieces, piecesOf } from './pieces.ts';
import { keyRequirement, type RequireKeys } from './required-keys.ts';
import { type Stream, streamOf } from './stream.ts';
import { type Plans, plansOf } from './plans.ts';
import { type Retention, retentionOf } from './retention.ts';
import { type Rotation, rotationOf } from './rotation.ts';
import { type Runs, runsOf } from './runs.ts';
import { type Timelines, timelinesOf } from './timelines.ts';

/** What one repository holds of one database. Opened once per activity; what it has listed it remembers for its life. */
export type Store = {
  readonly database: string;
  /** As the config calls the repository. */
  readonly name: string;
  /** For messages: `folder /backup/rstmdb`. */
  readonly description: string;
  /** @see RepositoryProperties */
  readonly callsCost: boolean;
  readonly coding: Coding;
  readonly trust: Trust;
  /** For what copies objects as they are; everybody else asks the parts below. */
  readonly place: { readonly repository: Repository };
  readonly owner: Ownership;
  readonly claims: Claims;
  readonly signatures: Signatures;
  readonly timelines: Timelines;
  readonly backups: Backups;
  readonly overview: Overview;
  readonly marks: Marks;
  readonly pieces: Pieces;
  readonly stream: Stream;
  readonly attachments: Attachments;
  readonly facts: Facts;
  readonly runs: Runs;
  readonly damage: Damage;
  readonly plans: Plans;
  readonly rotation: Rotation;
  readonly retention: Retention;
  /** @see keyRequirement */
  readonly requireKeys: RequireKeys;
  /**
   * The same repository as it was before objects of it were deleted or overwritten, for reading what the present ones can't give.
   * Undefined if it keeps no versions.
   */
  readonly past: () => Store | undefined;
  /**
   * Once more, before what makes the work count: an emptied or exchanged repository takes an object as well as any.
   * Fails: repository-unavailable.
   */
  confirm(): Promise<void>;
  /** What can still be written, or undefined if nobody can say. */
  freeBytes(): Promise<number | undefined>;
};

export type Trust = {
  /** Whether an object counts only if it bears the signature of a key that the config lists. */
  readonly requiresSignatures: boolean;
  /** The keys of what was listed and counts for nothing, because no listed key has signed it. */
  readonly passedOver: ReadonlySet<string>;
};

/** All repositories of one database. */
export type Catalogue = {
  /** The primary first. */
  readonly names: readonly string[];
  readonly owner: Ownership;
  /**
   * Asks each store, one after another; one that is away or out of order is left out, with its reason. Both in the order of
   * the config.
   */
  each<Found>(ask: (store: Store) => Promise<Found>): Promise<Gathered<Found>>;
  /** The same. Fails if no repository answered, as the first of them did. */
  eachOfSome<Found>(ask: (store: Store) => Promise<Found>): Promise<Gathered<Found>>;
};

export type Gathered<Found> = { answers: { store: Store; found: Found }[]; failures: { name: string; error: RstowError }[] };

export type Stores = {
  /** The named repository of the database, or its primary. Fails: unknown-database, unknown-repository, repository-unavailable. */
  openStore: (database: string, name?: string) => Promise<Store>;
  /** Fails: unknown-database. */
  catalogueOf: (database: string) => Catalogue;
};

export function createStores(deps: StoreDeps): Stores {
  return {
    catalogueOf: (database) => catalogueOf(deps, database),
    openStore: async (database, wanted) => {
      const opened = await openRepositoryOf(deps, database, wanted);
      return storeOf(deps, { database, ...opened, coding: await deps.codingOf(opened.name) });
    },
  };
}

function catalogueOf(deps: StoreDeps, database: string): Catalogue {
  const each: Catalogue['each'] = async (ask) => {
    const stores = new Map<string, Store>();
    const { answers, failures } = await inEachRepository(deps, database, async (repository, name) => {
      const store = storeOf(deps, { database, name, repository, coding: await deps.codingOf(name) });
      stores.set(name, store);
      return ask(store);
    });
    return { answers: answers.map(({ name, found }) => ({ store: stores.get(name) as Store, found })), failures };
  };
  return {
    names: repositoriesOf(deps, database),
    owner: ownershipOf(deps, database),
    each,
    eachOfSome: async (ask) => {
      const gathered = await each(ask);
      requireOneAnswer(gathered);
      return gathered;
    },
  };
}

type Place = { database: string; name: string; repository: Repository; coding: Coding };

function pastOf(deps: StoreDeps, place: Place): Store | undefined {
  const repository = asItWas(place.repository);
  return repository && storeOf(deps, { ...place, repository });
}

function piecesAt({ repository, database, coding }: Place, of: Pick<Store, 'timelines' | 'backups' | 'stream'>): Pieces {
  const { timelines, backups, stream } = of;
  return piecesOf({
    repository,
    database,
    coding,
    timelines: (one) => timelines.having(one),
    newestOf: (timeline) => backups.newestOfTimeline({ timeline, exceptRunId: '', isBeforeBaseline: true, recalls: true }),
    streamOf: (one) => stream.ofTimeline(one),
  });
}

function storeOf(deps: StoreDeps, place: Place): Store {
  const { database, name, coding } = place;
  const { repository, trust } = noting(place.repository);
  const owner = ownershipOf(deps, database);
  const timelines = timelinesOf({ repository, database });
  const damage = damageOf({ repository, database });
  const stream = streamOf({ repository, database, coding, timelines: (one) => timelines.having(one) });
  const backups = backupsOf(backupScope(deps, { name, repository, database, owner, timelines }));
  return {
    database,
    name,
    description: repository.description,
    callsCost: repository.properties.callsCost,
    coding,
    trust,
    place: { repository },
    owner,
    claims: claimsOf({ repository, database }),
    signatures: signaturesOf({ repository, database }),
    timelines,
    backups,
    overview: overviewOf({ repository, database }),
    marks: marksOf({ repository, database }),
    pieces: piecesAt({ ...place, repository }, { timelines, backups, stream }),
    stream,
    attachments: attachmentsOf({ repository, database, coding }),
    facts: factsOf({ repository, database, damage }),
    runs: runsOf({ repository, database }),
    damage,
    plans: plansOf({ repository, database }),
    rotation: rotationOf({ repository, database, coding }),
    retention: retentionOf({ repository, database }),
    requireKeys: keyRequirement({ repository, coding }),
    past: () => pastOf(deps, place),
    confirm: () => deps.openRepository(name).then(() => undefined),
    freeBytes: () => repository.freeBytes(),
  };
}

/** Whoever reads for a run says in its result what was passed over. */
function noting(repository: Repository): { repository: Repository; trust: Trust } {
  const passedOver = new Set<string>();
  const { signing } = repository;
  const trust: Trust = { requiresSignatures: signing?.isRequired === true, passedOver };
  if (signing === undefined) return { repository, trust };
  const onPassedOver = (key: string): void => {
    passedOver.add(key);
    signing.onPassedOver(key);
  };
  return { repository: { ...repository, signing: { ...signing, onPassedOver } }, trust };
}
