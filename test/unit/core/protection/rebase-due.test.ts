import { expect, test } from 'vitest';
import { type LogFacts, rebaseDue } from '../../../../src/core/protection/rebase-due.ts';

const MB = 1_000_000;
const small: LogFacts = { logBytes: 100 * MB, stateBytes: 5 * MB, lastSegmentBytes: 60 * MB, memoryBytes: 8_000 * MB, lostAtStart: 0 };
const reasonsOf = (facts: Partial<LogFacts>) => rebaseDue({ ...small, ...facts }).reasons;

test('a log that a start replays within seconds is left alone, however small its state is', () => {
  expect(rebaseDue(small)).toMatchObject({ reasons: [], startMemoryBytes: 550 * MB });
});

test('a log that has outgrown its state is due, and one that is its state is not', () => {
  expect(reasonsOf({ logBytes: 1_000 * MB })).toEqual(['log-outgrew-state']);
  expect(reasonsOf({ logBytes: 1_000 * MB, stateBytes: 900 * MB })).toEqual([]);
});

test('a start that will not fit into memory is due, if a rebase helps', () => {
  expect(reasonsOf({ memoryBytes: 600 * MB })).toEqual(['start-needs-memory']);
  expect(reasonsOf({ memoryBytes: 700 * MB })).toEqual([]);
  expect(reasonsOf({ memoryBytes: undefined })).toEqual([]);
  expect(reasonsOf({ memoryBytes: 600 * MB, stateBytes: 90 * MB })).toEqual([]);
});

test('a start that loses state comes first', () => {
  const verdict = rebaseDue({ ...small, logBytes: 1_000 * MB, lostAtStart: 17 });
  expect(verdict.reasons).toEqual(['start-loses-state', 'log-outgrew-state']);
  expect(verdict.sentences[0]).toBe('a start of the server would lose 17 machines and instances');
});
