import { expect, it } from 'vitest';
import { holdLines } from '../../../../src/cli/commands/hold.ts';

it('says where a backup is held', () => {
  const held = { outcome: 'done' as const, runId: 'run', database: 'orders', warnings: [], label: '20261124T101500Z-hot', released: 0 };
  expect(holdLines({ ...held, repositories: ['local', 'far'] })).toEqual(['20261124T101500Z-hot is held in local, far']);
});
