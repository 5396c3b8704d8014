import { expect, it } from 'vitest';
import type { Operation } from '../../../bench/generator/operation.ts';
import { orderOperations } from '../../../bench/generator/orders.ts';
import { createServerState } from '../../../bench/generator/server-state.ts';

function operations(seed: number, count: number): Operation[] {
  const generated = orderOperations(seed, 20);
  return Array.from({ length: count }, () => generated.next().value);
}

it('generates the same operations for the same seed, and others for another', () => {
  expect(operations(1, 300)).toEqual(operations(1, 300));
  expect(operations(2, 300)).not.toEqual(operations(1, 300));
});

it('applies events only to orders that are there, each in the state that the event starts from', () => {
  const state = createServerState();
  for (const operation of operations(3, 3000)) {
    if (operation.kind === 'applyEvent') expect(state.instances.has(operation.id)).toBe(true);
    const { text } = state.payloadOf(operation);
    expect(text).not.toContain('undefined');
  }
});

it('makes orders of the size that real ones have', () => {
  const state = createServerState();
  const sizes = operations(4, 3000)
    .filter(({ kind }) => kind === 'createInstance')
    .map((operation) => state.payloadOf(operation).text.length);
  expect(Math.min(...sizes)).toBeGreaterThan(500);
  expect(Math.max(...sizes)).toBeLessThan(2000);
});
