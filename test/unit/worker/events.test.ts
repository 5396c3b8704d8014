import { expect, test } from 'vitest';
import type { EventFact } from '../../../src/activities/activity-deps.ts';
import { createEvents } from '../../../src/worker/agent-deps.ts';

test('a fact is one line of the log, at the level of its kind, and reaches each subscriber whole', () => {
  const lines: unknown[] = [];
  const facts: EventFact[] = [];
  const at = (level: string) => (fields: object, sentence: string) => void lines.push([level, fields, sentence]);
  const logger = { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
  const events = createEvents(logger as unknown as Parameters<typeof createEvents>[0], [(fact) => void facts.push(fact)]);
  events.record({ kind: 'server-stale', database: 'orders', code: 'owner-outdated', sentence: 'it answers still' });
  events.record({ kind: 'ownership-changed', database: 'orders', sentence: 'mine' });
  expect(lines).toEqual([
    ['error', { kind: 'server-stale', database: 'orders', code: 'owner-outdated' }, 'it answers still'],
    ['info', { kind: 'ownership-changed', database: 'orders' }, 'mine'],
  ]);
  expect(facts.map(({ kind }) => kind)).toEqual(['server-stale', 'ownership-changed']);
});
