/** The documents against the code: nothing of the public contract is left out, and no link leads nowhere. */
import { readdirSync, readFileSync, existsSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { WORKFLOW_TYPES } from '../../src/contract/workflow-types.ts';
import { errorTable } from '../../src/core/errors/error-table.ts';
import { contractFile, inputFields, resultFields } from '../support/contract-source.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const workflowsPage = read('docs/workflows.md');
const pages = ['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md', ...markdownIn('docs')];

test('docs/workflows.md has a section for every workflow type, and no other type', () => {
  const types = [...workflowsPage.matchAll(/^## ([a-z]\w+)$/gm)].map((match) => match[1]);
  expect(types.sort()).toEqual([...WORKFLOW_TYPES, 'lockDatabase'].sort());
});

test.each(WORKFLOW_TYPES)('docs/workflows.md names every input field of %s', (type) => {
  const documented = namesIn(section(type));
  expect(inputFields(contractFile(root, type)).filter((field) => !documented.includes(field))).toEqual([]);
});

test.each(WORKFLOW_TYPES)('docs/workflows.md names every result field of %s', (type) => {
  const documented = namesIn(section(type));
  expect(resultFields(contractFile(root, type)).filter((field) => !documented.includes(field))).toEqual([]);
});

test('docs/workflows.md has the table of failure codes as the code has it', () => {
  const rows = [...section('Failure codes').matchAll(/^\| `([a-z-]+)` \| (\d+) \| (yes|no) \|/gm)];
  const documented = rows.map(([, code, exitCode, retry]) => ({ code, exitCode: Number(exitCode), retryable: retry === 'yes' }));
  const actual = Object.entries(errorTable).map(([code, { exitCode, retryable }]) => ({ code, exitCode, retryable }));
  const byCode = (left: { code?: string | undefined }, right: { code?: string | undefined }): number =>
    (left.code ?? '') < (right.code ?? '') ? -1 : 1;
  expect(documented.sort(byCode)).toEqual(actual.sort(byCode));
});

test('a hint that names a chapter of a page names one that is there', () => {
  const named = Object.values(errorTable).flatMap(({ hint }) => [...hint.matchAll(/“([^”]+)” in (docs\/\S+\.md)/g)]);
  expect(named.length).toBeGreaterThan(0);
  for (const [, heading = '', page = ''] of named) expect(read(page)).toMatch(`\n## ${heading}\n`);
});

test.each(pages)('every relative link of %s leads to a file and, where it says so, a heading', (page) => {
  const dead = relativeLinks(read(page)).filter((link) => !leadsSomewhere(page, link));
  expect(dead).toEqual([]);
});

test('every path of the checkout that CONTRIBUTING.md names is there', () => {
  const named = [...read('CONTRIBUTING.md').matchAll(/`((?:src|test|scripts|docs|bench|demo|examples)\/[^`<]*)`/g)].map(
    (match) => match[1] ?? '',
  );
  expect(named.length).toBeGreaterThan(20);
  expect(named.filter((path) => !existsSync(join(root, path)))).toEqual([]);
});

test('the README names the example config file, and of every page of docs', () => {
  const linked = relativeLinks(read('README.md'));
  expect(linked).toContain('examples/rstow.yaml');
  const unlinked = markdownIn('docs').filter((page) => dirname(page) === 'docs' && !linked.includes(page));
  expect(unlinked).toEqual([]);
});

function read(path: string): string {
  return readFileSync(join(root, path), 'utf8');
}

test.each(pages)('the npm package has %s, and whatever it links to', (page) => {
  const targets = relativeLinks(read(page)).map((link) => relative(root, join(root, dirname(page), link.split('#')[0] ?? '')));
  expect([page, ...targets].filter((target) => target !== dirname(page) && target !== '' && !isPacked(target))).toEqual([]);
});

function markdownIn(folder: string): string[] {
  const names = readdirSync(join(root, folder), { recursive: true }) as string[];
  return names.filter((name) => name.endsWith('.md')).map((name) => join(folder, name));
}

/** In package.json, and what npm packs in any case. */
function isPacked(path: string): boolean {
  const { files } = JSON.parse(read('package.json')) as { files: string[] };
  return [...files, 'README.md', 'LICENSE', 'package.json'].some((packed) => path === packed || path.startsWith(`${packed}/`));
}

/** From the heading of that name to the next one of its level. */
function section(heading: string): string {
  const [, text = ''] = `${workflowsPage}\n## `.split(new RegExp(`^## ${heading}$`, 'm'));
  return text.split(/^## /m)[0] ?? '';
}

/** Every name in code spans; `{label, repository}` gives its parts. */
function namesIn(text: string): string[] {
  const spans = [...text.matchAll(/`([^`\n]+)`/g)].map((match) => match[1] ?? '');
  return spans.flatMap((span) => [span, ...span.split(/[{}, ?]+/)]);
}

function relativeLinks(text: string): string[] {
  const prose = text.replaceAll(/^```[^]*?^```$/gm, '');
  return [...prose.matchAll(/\]\(([^)\s]+)\)/g)].map((match) => match[1] ?? '').filter((link) => !/^[a-z]+:/.test(link));
}

function leadsSomewhere(page: string, link: string): boolean {
  const [path = '', anchor] = link.split('#');
  const target = path === '' ? page : relative(root, join(root, dirname(page), path));
  if (!existsSync(join(root, target))) return false;
  return anchor === undefined || headingAnchors(read(target)).includes(anchor);
}

/** As GitHub makes them: lower case, words joined by hyphens, other signs dropped. */
function headingAnchors(text: string): string[] {
  return [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
}

test('every test that docs/security.md names for a claim is there', () => {
  const named = [...read('docs/security.md').matchAll(/`(test\/[^`]*)`/g)].map((match) => match[1] ?? '');
  expect(named.length).toBeGreaterThan(20);
  expect(named.filter((path) => !existsSync(join(root, path)))).toEqual([]);
});
