import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest';
import type { ErrorCode } from '../../src/core/errors/error-table.ts';
import { manifestKey } from '../../src/core/repository/object-keys.ts';
import { sidecarKey } from '../../src/core/repository/coded-name.ts';
import {
  type BackupKeys,
  type Damage,
  type DamageScene,
  newestManifest,
  newestPiece,
  oldestPiece,
  openDamageScene,
  pieceOf,
} from '../support/damage-scene.ts';
import { DATABASE } from '../support/database-stack.ts';

let on: DamageScene;

beforeAll(async () => {
  on = await openDamageScene({ temporalAddress: inject('temporalAddress'), workflowBundlePath: inject('workflowBundlePath') });
  expect(on.untouched.servers).toHaveLength(1);
});
afterEach(() => on.files.heal());
afterAll(() => on.close());

type Case = {
  what: string;
  damage: Damage;
  /** The object that must be named. */
  key: (of: BackupKeys) => string;
  /** Several, where the sizes decide: an object with another's bytes may be shorter than it was. */
  code: ErrorCode | ErrorCode[];
  says: RegExp;
  /** What the sentence proposes, and the label in `details.alternative`; undefined: nothing is proposed. */
  proposal?: { text: (of: BackupKeys) => string; label: (of: BackupKeys) => string | null };
};

const changed: ErrorCode[] = ['damaged-object', 'truncated-object'];

const older = {
  text: (of: BackupKeys) => `; backup ${of.second} does not need it and can be restored instead`,
  label: (of: BackupKeys) => of.second,
};
const none = { text: () => '; no other backup is complete without it', label: () => null };

/** What verifyBackup and restore both meet. */
const cases: Case[] = [
  {
    what: 'a flipped bit in the newest piece',
    damage: (repository, of) => repository.flipBit(newestPiece(of)),
    ...{ key: newestPiece, code: 'damaged-object', says: /is not what was stored|zstd frame|does not give the bytes/, proposal: older },
  },
  {
    what: 'a flipped bit in the first byte of the newest piece',
    damage: (repository, of) => repository.flipBit(newestPiece(of), 'begin'),
    ...{ key: newestPiece, code: 'damaged-object', says: /is not what was stored|zstd frame/, proposal: older },
  },
  {
    what: 'a flipped bit in the last byte of the newest piece',
    damage: (repository, of) => repository.flipBit(newestPiece(of), 'end'),
    ...{ key: newestPiece, code: 'damaged-object', says: /is not what was stored|zstd frame/, proposal: older },
  },
  {
    what: 'a flipped bit in the piece that every backup needs',
    damage: (repository, of) => repository.flipBit(oldestPiece(of)),
    ...{ key: oldestPiece, code: 'damaged-object', says: /is not what was stored|zstd frame|does not give the bytes/, proposal: none },
  },
  {
    what: 'a piece cut in the middle',
    damage: (repository, of) => repository.truncate(newestPiece(of), 0.5),
    ...{ key: newestPiece, code: 'truncated-object', says: /ends after [0-9]+ of [0-9]+ stored bytes|zstd frame/, proposal: older },
  },
  {
    what: 'an empty piece',
    damage: (repository, of) => repository.truncate(newestPiece(of), 0),
    ...{
      key: newestPiece,
      code: 'truncated-object',
      says: /ends after 0 of [0-9]+ stored bytes|zstd frame|ends after 0 plain bytes/,
      proposal: older,
    },
  },
  {
    what: 'a missing piece',
    damage: (repository, of) => repository.remove(newestPiece(of)),
    ...{ key: newestPiece, code: 'missing-object', says: /is missing, and no other piece covers byte/, proposal: older },
  },
  {
    what: 'a missing piece that every backup needs',
    damage: (repository, of) => repository.remove(oldestPiece(of)),
    ...{ key: oldestPiece, code: 'missing-object', says: /is missing, and no other piece covers byte 0/, proposal: none },
  },
  {
    what: 'two pieces that changed places',
    damage: (repository, of) => repository.swap(of.pieces[0], of.pieces[2]),
    ...{ key: oldestPiece, code: changed, says: /is not what was stored|stored bytes|does not give the bytes|plain bytes/, proposal: none },
  },
  {
    what: 'two pieces that changed places together with their sidecars',
    damage: async (repository, of) => {
      await repository.swap(of.pieces[1], of.pieces[2]);
      await repository.swap(sidecarKey(pieceOf(of.pieces[1]).key), sidecarKey(pieceOf(of.pieces[2]).key));
    },
    key: (of) => of.pieces[1],
    // The sidecars' signatures are of other names, so the pieces themselves are read. The two may be of one length.
    ...{
      code: changed,
      says: /holds whole records only up to|holds other bytes than|unpacks to more than|does not give the bytes|plain bytes/,
    },
    proposal: { text: (of) => `; backup ${of.first} does not need it`, label: (of) => of.first },
  },
  {
    what: 'a manifest that is no JSON',
    damage: (repository, of) => repository.replace(newestManifest(of), 'no JSON\n'),
    ...{ key: newestManifest, code: 'damaged-object', says: /is not JSON/, proposal: older },
  },
  {
    what: 'a flipped bit in a manifest',
    damage: (repository, of) => repository.flipBit(newestManifest(of)),
    ...{ key: newestManifest, code: 'damaged-object', says: /does not match its own SHA-256|is not JSON/, proposal: older },
  },
  {
    what: 'a manifest cut in the middle',
    damage: (repository, of) => repository.truncate(newestManifest(of), 0.5),
    ...{ key: newestManifest, code: 'truncated-object', says: /is cut short/, proposal: older },
  },
  {
    what: 'an empty manifest',
    damage: (repository, of) => repository.truncate(newestManifest(of), 0),
    ...{ key: newestManifest, code: 'truncated-object', says: /is cut short/, proposal: older },
  },
  {
    what: 'a manifest without its seal',
    damage: (repository, of) => repository.replace(newestManifest(of), '{"format":1}'),
    ...{ key: newestManifest, code: 'damaged-object', says: /is not a sealed JSON object/, proposal: older },
  },
  {
    what: 'a whole manifest that lacks a field',
    damage: (repository, of) => repository.reseal(newestManifest(of), ({ segments: _, ...rest }) => rest),
    ...{ key: newestManifest, code: 'damaged-object', says: /is not what belongs there[^]*segments/, proposal: older },
  },
  {
    what: 'the manifest of another database',
    damage: (repository, of) => repository.reseal(newestManifest(of), (content) => ({ ...content, database: 'invoices' })),
    ...{ key: newestManifest, code: 'damaged-object', says: /belongs to database "invoices"/, proposal: older },
  },
  {
    what: 'the manifest of another backup',
    damage: (repository, of) => repository.copy(manifestKey(DATABASE, of.first), newestManifest(of)),
    ...{ key: newestManifest, code: 'untrusted-object', says: /bears the signature of something else/, proposal: older },
  },
  {
    what: 'a manifest of a newer format',
    damage: (repository, of) => repository.reseal(newestManifest(of), (content) => ({ ...content, format: 2 })),
    ...{ key: newestManifest, code: 'format-unsupported', says: /has format 2; this rstow reads format 1/ },
  },
  {
    what: 'a manifest that promises more records than the pieces hold',
    damage: (repository, of) =>
      repository.reseal(newestManifest(of), (content) => {
        const { segments } = content as { segments: { ranges: { records: number }[] }[] };
        const last = segments.at(-1)?.ranges.at(-1);
        if (last !== undefined) last.records += 1;
        return content;
      }),
    ...{ key: newestPiece, code: 'damaged-object', says: /gives [0-9]+ records up to byte [0-9]+, not [0-9]+/, proposal: older },
  },
];

const runs = { verifyBackup: (backup: string) => on.verify(backup), restore: (backup: string) => on.restore(backup) };

describe.each(cases)('$what', ({ damage, key, code, says, proposal }) => {
  it.each(['verifyBackup', 'restore'] as const)(
    '%s tells it by its code, names the object and what to do, and leaves the database alone',
    async (type) => {
      await damage(on.files, on.keys);
      const failure = await runs[type](on.keys.third);
      expect([code].flat()).toContain(failure.code);
      expect(failure.details['key']).toBe(key(on.keys));
      expect(failure.sentence).toMatch(new RegExp(`^${failure.code}: [^]*${key(on.keys).replaceAll('.', '\\.')}`));
      expect(failure.sentence).toMatch(says);
      expect(failure.details['alternative']).toEqual(proposal?.label(on.keys));
      if (proposal !== undefined) expect(failure.sentence).toContain(proposal.text(on.keys));
      await on.expectUntouched();
    },
  );
});

describe('a state that is not what the manifest promises', () => {
  const otherDigest = (content: Record<string, unknown>): Record<string, unknown> => ({ ...content, stateDigest: 'f'.repeat(64) });

  it.each(['verifyBackup', 'restore'] as const)(
    'is told by %s as another digest, with both, and the database is left alone',
    async (type) => {
      await on.files.reseal(newestManifest(on.keys), otherDigest);
      const failure = await runs[type](on.keys.third);
      expect(failure).toMatchObject({ code: 'digest-different', details: { promised: 'f'.repeat(64), found: on.digests[2] } });
      expect(failure.sentence).toContain(on.keys.third);
      await on.expectUntouched();
    },
  );
});
