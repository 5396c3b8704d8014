/** What the recovery window promises, after everything has expired that it doesn't need. */
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import type { ExpireBackupsResult } from '../../src/contract/expire-backups.ts';
import { seededRandom } from '../../src/core/backup/selection.ts';
import { expireBackups } from '../../src/workflows/expire-backups.ts';
import { choosePoint, type History, KINDS, makeHistories, provePoint } from '../support/any-point.ts';
import { DATABASE, type DatabaseStack } from '../support/database-stack.ts';
import { directDeps, directEngine } from '../support/direct-backup.ts';
import { makeOddSource } from '../support/odd-source.ts';

const DAY_MS = 86_400_000;

/** A backup with a name doesn't expire, and without an archive nothing but the backups that are left tells what time it was. */
const kinds = KINDS.filter((kind) => kind !== 'name' && kind !== 'time');

let stack: DatabaseStack;
let histories: [History, History];

beforeAll(async () => {
  const retention = { keepDays: 1, keepProven: 1, windowDays: 300 };
  stack = await makeOddSource({ segmentSizeMb: 1, database: { rehearsal: { policy: 'off' }, retention } });
  histories = await makeHistories(stack, { isMarked: false });
  expect(await expireLater(100)).toMatchObject({ expired: 4, keepCount: 2 });
  expect(await expireLater(102)).toMatchObject({ removed: { manifests: 4 } });
});
afterAll(() => stack.remove());

async function expireLater(days: number): Promise<ExpireBackupsResult> {
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + days * DAY_MS });
  try {
    return await expireBackups({ database: DATABASE, apply: true }, directEngine({ deps: directDeps(stack), type: 'expireBackups' }));
  } finally {
    vi.useRealTimers();
  }
}

it.each([0, 1].flatMap((history) => kinds.map((kind) => [history, kind] as const)))(
  'still recovers a point of history %i within the window, by its %s, though most backups have expired',
  async (which, kind) => {
    const random = seededRandom(which * kinds.length + kinds.indexOf(kind));
    const history = histories[which]!;
    expect(await provePoint(stack, history, choosePoint(history, kind, [random(), random()]))).toBeGreaterThan(0);
  },
);
