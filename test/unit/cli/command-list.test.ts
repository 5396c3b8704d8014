import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { COMMAND_REFERENCE_FILE, commandReference } from '../../../scripts/command-reference.ts';
import { COMMAND_GROUPS } from '../../../src/cli/command-list.ts';
import { WORKFLOW_TYPES } from '../../../src/contract/workflow-types.ts';

const COMMANDS = COMMAND_GROUPS.flatMap(({ commands }) => commands);

test('starts each workflow type by one command, which prints its result', () => {
  const started = COMMANDS.flatMap(({ runs = [] }) => runs.map(({ type }) => type));
  expect(started.sort()).toEqual([...WORKFLOW_TYPES].sort());
});

test('gives each command its own name', () => {
  const names = COMMANDS.map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
});

test('is what docs/commands.md says; `npm run docs` writes that page', () => {
  expect(readFileSync(COMMAND_REFERENCE_FILE, 'utf8')).toBe(commandReference());
});
