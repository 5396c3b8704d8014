/** docs/configuration.md is made from the schemas: it says what they say, and what it shows can be used. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { CONFIG_REFERENCE_FILE, configReference } from '../../scripts/config-reference.ts';
import { parseConfig } from '../../src/worker/load-config.ts';

const page = readFileSync(CONFIG_REFERENCE_FILE, 'utf8');
const [smallest = '', ...samples] = [...page.matchAll(/^```yaml\n([^]*?)^```$/gm)].map((match) => match[1] ?? '');

test('is what the schemas say; after a change: node scripts/config-reference.ts', () => {
  expect(page).toBe(configReference());
});

test('tells of each key what it holds and what it is for', () => {
  const rows = [...page.matchAll(/^\| `.*$/gm)].map(([row]) => row.split(' | '));
  expect(rows.length).toBeGreaterThan(60);
  for (const [key, value, , meaning] of rows)
    expect([key, value === '', meaning]).toEqual([key, false, expect.stringMatching(/^\S.* \|$/)]);
});

test('shows as the smallest file one that is accepted', () => {
  expect(Object.keys(parseConfig('smallest', smallest).databases)).toEqual(['orders']);
});

test.each(samples)('shows sections that are accepted in a file: %s', (sample) => {
  const file = merged(parse(smallest) as Section, parse(sample) as Section);
  expect(parseConfig('sample', stringify(file))).toMatchObject(parse(sample) as object);
});

type Section = { [key: string]: unknown };

/** With what the second says in place of what the first says; what is of another kind takes the place of all. */
function merged(base: Section, over: Section): Section {
  const isSection = (value: unknown): value is Section => typeof value === 'object' && value !== null && !Array.isArray(value);
  const entries = Object.entries(over).map(([key, value]): [string, unknown] => {
    const before = base[key];
    const isMerged = isSection(value) && isSection(before) && (value['kind'] ?? before['kind']) === before['kind'];
    return [key, isMerged ? merged(before, value) : value];
  });
  return { ...base, ...Object.fromEntries(entries) };
}
