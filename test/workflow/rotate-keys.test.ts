import { afterAll, beforeAll, beforeEach, expect, inject, it } from 'vitest';
import type { PlannedRotation } from '../../src/activities/rotation/plan-rotation.ts';
import type { RotateKeysResult } from '../../src/contract/rotate-keys.ts';
import { RstowError } from '../../src/core/errors/rstow-error.ts';
import { AGENT, DATABASE, type FakeAgent, startFakeAgent, verbsOf } from './fake-agent.ts';
import { failureOf } from './failures.ts';
import { PLANNED_ROTATION, ROTATED } from './plausible-answers.ts';

let agent: FakeAgent;

beforeAll(async () => {
  agent = await startFakeAgent({ temporalAddress: inject('temporalAddress'), workflowBundlePath: inject('workflowBundlePath') });
});
beforeEach(() => agent.reset());
afterAll(() => agent.stop());

const NOTHING_LEFT: PlannedRotation = { ...PLANNED_ROTATION, objects: 0, sets: [] };
const FAILED = { key: 'databases/orders/wal/a.wal.zst', code: 'damaged-object' as const, message: 'a.wal.zst is damaged' };

/** What each look finds, the last one again and again. */
function foundInTurn(...found: PlannedRotation[]): void {
  let looks = 0;
  agent.verbs.planRotation = async () => {
    looks += 1;
    return found[Math.min(looks, found.length) - 1]!;
  };
}

const rotate = (): Promise<RotateKeysResult> => agent.execute<RotateKeysResult>('rotateKeys', { database: DATABASE });

it('rotates batch by batch, deletes what was proved in a step of its own, looks once more, and removes the unused keys last', async () => {
  foundInTurn(PLANNED_ROTATION, NOTHING_LEFT);
  const batches = [{ ...ROTATED, next: 'databases/orders/wal/b' }, ROTATED];
  agent.verbs.rotateObjects = async () => batches.shift()!;
  const { suffix } = PLANNED_ROTATION;
  expect(await rotate()).toMatchObject({
    outcome: 'done',
    agent: AGENT,
    suffix,
    rotated: 200,
    failed: 0,
    left: [],
    keySetsRemoved: ['0badc0de'],
  });
  const twice = ['rotateObjects', 'retireObjects', 'rotateObjects', 'retireObjects'];
  expect(verbsOf(agent)).toEqual(['planRotation', ...twice, 'planRotation', 'removeKeySets']);
});

it('is not needed if all lies under the keys of today', async () => {
  foundInTurn(NOTHING_LEFT);
  agent.verbs.removeKeySets = async () => [];
  expect(await rotate()).toMatchObject({ outcome: 'not-needed', rotated: 0 });
  expect(verbsOf(agent)).toEqual(['planRotation', 'removeKeySets']);
});

it('names what can’t be opened, leaves it, and does not try it for ever', async () => {
  const stays = { ...PLANNED_ROTATION, objects: 1 };
  foundInTurn(PLANNED_ROTATION, stays);
  agent.verbs.rotateObjects = async () => ({ ...ROTATED, rotated: 99, failed: 1, firstFailed: [FAILED] });
  const result = await rotate();
  expect(result).toMatchObject({ outcome: 'warnings', rotated: 99, failed: 1, warnings: [{ code: 'damaged-object' }] });
  expect(result.warnings[0]?.message).toContain(FAILED.message);
  expect(verbsOf(agent).filter((verb) => verb === 'rotateObjects')).toHaveLength(1);
});

it('makes another pass for what came meanwhile, three in all, and names what keeps coming', async () => {
  foundInTurn(PLANNED_ROTATION, { ...PLANNED_ROTATION, objects: 2 });
  const result = await rotate();
  expect(result).toMatchObject({ outcome: 'warnings', rotated: 300, warnings: [{ code: 'old-keys-in-use' }] });
  expect(result.warnings[0]?.message).toContain(PLANNED_ROTATION.sets[0]!.newestKey);
});

it('writes nothing if a key is missing', async () => {
  agent.verbs.planRotation = async () => Promise.reject(new RstowError('wrong-key', 'no identity opens key set 1f00d5ee'));
  expect(await failureOf(agent.execute('rotateKeys', { database: DATABASE }))).toMatchObject({ type: 'wrong-key' });
  expect(verbsOf(agent)).toEqual(['planRotation']);
});
