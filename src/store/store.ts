import type { RstowError } from '../core/errors/rstow-error.ts';
import type { Coding } from '../io/coding/port.ts';
import { zstdCoding } from '../io/coding/zstd.ts';
import type { Repository } from '../io/repository/port.ts';
import { type Attachments, attachmentsOf } from './attachments.ts';
import { type Backups, backupScope, backupsOf } from './backups.ts';
import { type Damage, damageOf, type Facts, factsOf, type Signatures, signaturesOf } from './facts.ts';
import { inEachRepository, openRepositoryOf, repositoriesOf, requireOneAnswer, type StoreDeps } from './database-repositories.ts';
import { type Claims, claimsOf, type Ownership, ownershipOf } from './ownership.ts';
import { type Marks, marksOf } from './marks.ts';
import { type Pieces, piecesOf } from './pieces.ts';
import { type Plans, plansOf } from './plans.ts';
import { type Timelines, timelinesOf } from './timelines.ts';

/** What one repository holds of one database. Opened once per activity; what it has listed it remembers for its life. */
export type Store = {
  readonly database: string;
  /** As the config calls the repository. */
  readonly name: string;
  /** For messages: `folder /backup/rstmdb`. */
  readonly description: string;
  readonly coding: Coding;
  readonly owner: Ownership;
  readonly claims: Claims;
  readonly signatures: Signatures;
  readonly timelines: Timelines;
  readonly backups: Backups;
  readonly marks: Marks;
  readonly pieces: Pieces;
  readonly attachments: Attachments;
  readonly facts: Facts;
  readonly damage: Damage;
  readonly plans: Plans;
  /**
   * Once more, before what makes the work count: an emptied or exchanged repository takes an object as well as any.
   * Fails: repository-unavailable.
   */
  confirm(): Promise<void>;
  /** What can still be written, or undefined if nobody can say. */
  freeBytes(): Promise<number | undefined>;
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
      return storeOf(deps, { database, ...opened });
    },
  };
}

function catalogueOf(deps: StoreDeps, database: string): Catalogue {
  const each: Catalogue['each'] = async (ask) => {
    const stores = new Map<string, Store>();
    const { answers, failures } = await inEachRepository(deps, database, (repository, name) => {
      const store = storeOf(deps, { database, name, repository });
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

type Place = { database: string; name: string; repository: Repository };

function storeOf(deps: StoreDeps, { database, name, repository }: Place): Store {
  const coding = zstdCoding;
  const owner = ownershipOf(deps, database);
  const timelines = timelinesOf({ repository, database });
  const damage = damageOf({ repository, database });
  return {
    database,
    name,
    description: repository.description,
    coding,
    owner,
    claims: claimsOf({ repository, database }),
    signatures: signaturesOf({ repository, database }),
    timelines,
    backups: backupsOf(backupScope(deps, { repository, database, owner, timelines })),
    marks: marksOf({ repository, database }),
    pieces: piecesOf({ repository, database, coding, timelines: () => timelines.all() }),
    attachments: attachmentsOf({ repository, database, coding }),
    facts: factsOf({ repository, database, damage }),
    damage,
    plans: plansOf({ repository, database }),
    confirm: async () => {
      await deps.openRepository(name);
    },
    freeBytes: () => repository.freeBytes(),
  };
}
