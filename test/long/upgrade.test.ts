import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { CONTRACT_NUMBER } from '../../src/contract/names.ts';
import { brokenPromises, contractOfTree, type Tree, treeOfContract, upgrade } from '../support/upgrade.ts';
import { fileURLToPath } from 'node:url';

let newer: Tree & { remove: () => Promise<void> };

beforeAll(async () => {
  newer = await treeOfContract(CONTRACT_NUMBER + 1);
});

afterAll(() => newer.remove());

it('completes the runs that are open over an upgrade at the agent that is still old, and ends one whose agent has gone', async () => {
  const older = await contractOfTree(fileURLToPath(new URL('../..', import.meta.url)));
  const facts = await upgrade(inject('temporalAddress'), { older, newer });
  expect(brokenPromises(facts, { older, newer }), JSON.stringify(facts)).toEqual([]);
});
