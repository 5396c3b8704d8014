import { link, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { openDatabase } from '../../../src/database/database.ts';
import { dropGuardPins } from '../../../src/database/guard-look.ts';
import { guardState } from '../../../src/database/guard-state.ts';
import { guardFindings } from '../../../src/core/protection/guard-risk.ts';
import { makeSegmentId, parseSegmentFileName, segmentFileName } from '../../../src/core/wal/wal-offset.ts';
import { guardPinFolder } from '../../../src/io/data-directory/pins.ts';
import { DATABASE } from '../../support/database-stack.ts';
import { writeCounters } from '../../support/compactable-log.ts';
import { compactAway, guarded, kinds, restart, segmentsOf } from '../../support/guarded-log.ts';
import { sourceDigest } from '../../support/odd-source.ts';

/** The clocks that order a deletion and a start are good for a quarter of a second. */
const sleepOverDoubt = (): Promise<void> => sleep(400);

describe('a COMPACT', () => {
  it('without the guard takes machines and instances from the next start', async () => {
    const { stack } = await guarded();
    const before = await sourceDigest(stack);
    await compactAway(stack);
    await restart(stack);
    expect(await sourceDigest(stack)).not.toBe(before);
  });

  it('takes nothing from two starts with the guard, which links back what it had pinned', async () => {
    const { stack, look } = await guarded();
    expect(kinds(await look())).toEqual(['log-pinned']);
    for (let round = 1; round <= 2; round += 1) {
      const [before, segments] = [await sourceDigest(stack), await segmentsOf(stack.walDir)];
      const deleted = await compactAway(stack);
      expect(await guardState(openDatabase(stack, DATABASE))).toMatchObject({ kind: 'on', missing: segments.slice(0, deleted) });
      expect(await look()).toMatchObject([{ kind: 'log-linked-back', segments: segments.slice(0, deleted) }]);
      expect(await segmentsOf(stack.walDir)).toEqual(segments);
      await restart(stack);
      expect(await sourceDigest(stack)).toBe(before);
      await writeCounters(stack.address, { count: 2, prefix: `round-${round}` });
      await look();
    }
    expect(await guardState(openDatabase(stack, DATABASE))).toMatchObject({ kind: 'on', missing: [], lost: [], unpinned: 0 });
  });

  it('is linked back while the server is down', async () => {
    const { stack, look } = await guarded();
    await look();
    const before = await sourceDigest(stack);
    await compactAway(stack);
    await stack.service.stop();
    expect(kinds(await look())).toEqual(['log-linked-back']);
    await stack.startServer();
    expect(await sourceDigest(stack)).toBe(before);
  });

  it('of a server that started while nobody looked is linked back: it had the whole log', async () => {
    const { stack, look } = await guarded();
    await look();
    const before = await sourceDigest(stack);
    await restart(stack);
    await sleepOverDoubt();
    await compactAway(stack);
    expect(kinds(await look())).toEqual(['log-linked-back']);
    await restart(stack);
    expect(await sourceDigest(stack)).toBe(before);
  });
});

it('is a finding for as long as the segment is gone that the server writes to', async () => {
  const { stack, look } = await guarded();
  await look();
  const last = makeSegmentId((await segmentsOf(stack.walDir)).at(-1)!)!;
  await rm(join(stack.walDir, segmentFileName(last)));
  expect(kinds(await look())).toEqual(['log-deleted-at-end']);
  const state = await guardState(openDatabase(stack, DATABASE));
  expect(state).toMatchObject({ kind: 'on', missing: [], deletedAtEnd: [last] });
  const findings = guardFindings(DATABASE, { state, isCompactionOn: false, budgetBytes: 1 });
  expect(findings).toContainEqual(expect.objectContaining({ code: 'log-deleted-at-end', severity: 'critical' }));
});

it('drops the pins of a guard that is turned off, and links back first what they alone hold', async () => {
  const { stack, look } = await guarded();
  await look();
  const before = await sourceDigest(stack);
  await compactAway(stack);
  const database = openDatabase(stack, DATABASE);
  expect(kinds(await dropGuardPins(database))).toEqual(['log-linked-back', 'guard-pins-cleared']);
  expect(await dropGuardPins(database)).toEqual([]);
  expect(await guardState(database)).toEqual({ kind: 'waiting' });
  await restart(stack);
  expect(await sourceDigest(stack)).toBe(before);
});

describe('a restart before the guard acted', () => {
  it('is an alarm, and nothing is linked back, also at later starts: what was written since stays', async () => {
    const { stack, look } = await guarded();
    await look();
    const deleted = await compactAway(stack);
    await restart(stack);
    // What the old state would be put above.
    await writeCounters(stack.address, { count: 1 });
    const after = await sourceDigest(stack);
    const facts = await look();
    expect(facts).toMatchObject([{ kind: 'log-pinned' }, { kind: 'restart-missed', code: 'wal-gap' }]);
    const lost = facts[1]?.segments ?? [];
    expect(lost).toHaveLength(deleted);
    for (let round = 1; round <= 2; round += 1) {
      await restart(stack);
      expect(kinds(await look())).toEqual(['restart-missed']);
      expect(await sourceDigest(stack)).toBe(after);
    }
    expect(await guardState(openDatabase(stack, DATABASE))).toMatchObject({ kind: 'on', lost, missing: [] });
    expect(await segmentsOf(guardPinFolder(stack.dataDir, '0001'))).toEqual(expect.arrayContaining([...lost]) as number[]);
  });

  it('leaves the guard at work for all that comes after', async () => {
    const { stack, look } = await guarded();
    await look();
    await compactAway(stack);
    await stack.service.stop();
    // Those of instances that are lost would keep every later COMPACT from deleting anything.
    await rm(join(stack.dataDir, 'snapshots'), { recursive: true });
    await stack.startServer();
    await writeCounters(stack.address, { count: 8, prefix: 'later' });
    await look();
    const after = await sourceDigest(stack);
    await compactAway(stack);
    expect(kinds(await look())).toEqual(['log-linked-back', 'restart-missed']);
    await restart(stack);
    expect(await sourceDigest(stack)).toBe(after);
  });

  it('is found also if the link came a moment after the new server had read its folder', async () => {
    const { stack, look } = await guarded();
    await look();
    await compactAway(stack);
    expect(kinds(await look())).toEqual(['log-linked-back']);
    const pinFolder = guardPinFolder(stack.dataDir, '0001');
    // The same on the disk as a link that comes too late: gone while the server reads, there when the guard looks.
    const whole = await segmentsOf(stack.walDir);
    const early = (await readdir(stack.walDir)).filter((name) => (parseSegmentFileName(name) ?? 99) <= 3);
    await stack.service.stop();
    for (const name of early) await rm(join(stack.walDir, name));
    await stack.startServer();
    const after = await sourceDigest(stack);
    for (const name of early) await link(join(pinFolder, name), join(stack.walDir, name));
    expect(kinds(await look())).toEqual(['log-taken-out', 'restart-missed']);
    expect(await segmentsOf(stack.walDir)).toEqual(whole.filter((segment) => segment > 3));
    await restart(stack);
    expect(await sourceDigest(stack)).toBe(after);
  });
});
