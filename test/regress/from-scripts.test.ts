/** docs/from-scripts.md against reality: each script has its chapter, each proof that it names is there, and each command line is one. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { createProgram } from '../../src/cli/program.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const page = readFileSync(join(ROOT, 'docs/from-scripts.md'), 'utf8');
const SETTINGS = { configFile: undefined, stateDir: '/var/lib/rstow', workflowBundlePath: undefined, searchPath: '', isNotifying: false };
const { commands } = createProgram({ settings: SETTINGS, exit: () => undefined, resultLines: () => undefined });

const proofs = [...page.matchAll(/by `(test\/\S+)`[^:`]*:\n((?:(?:- “| {2})[^\n]+\n)+)/g)].flatMap(([, file = '', list = '']) =>
  [...list.matchAll(/“([^”]+)”/g)].map(([, claim = '']) => ({ file, claim: claim.replaceAll(/\s+/g, ' ') })),
);

const FENCED = /^ *```sh$([^]*?)^ *```$/gm;

/** What is typed in the page’s blocks, and in its sentences. */
const commandLines = [
  ...[...page.matchAll(FENCED)].flatMap(([, block = '']) => block.replaceAll(/\\\s+/g, '').split('\n')),
  ...[...page.replaceAll(FENCED, '').matchAll(/`(rstow [^`]+)`/g)].map(([, line = '']) => line.replaceAll('\n', ' ')),
]
  .map((line) => line.trim())
  .filter((line) => line !== '');

test('has a chapter for each script of the guide', () => {
  const scripts = readdirSync(join(ROOT, 'test/fixtures/old-scripts')).filter(
    (name) => name.endsWith('.sh') && !name.startsWith('encryption-'),
  );
  const chapters = [...page.matchAll(/^### (\S+\.sh)$/gm)].map(([, name]) => name);
  expect(chapters.sort()).toEqual(scripts.sort());
  expect(page).toMatch(/^### The crontab$/m);
  expect(page).toMatch(/^### The encryption lines$/m);
});

test('names a proof in every place where it says so', () => {
  expect(proofs.length).toBeGreaterThan(15);
  expect(new Set(proofs.map(({ file }) => file)).size).toBe(new Set(page.match(/`test\/[^`]+\.test\.ts`/g)).size);
});

test.each(proofs)('$file proves: $claim', ({ file, claim }) => {
  expect(["'", '`', '"'].some((quote) => sourceOf(file).includes(`${quote}${claim}`))).toBe(true);
});

test.each([...new Set(commandLines)])('is understood: %s', (line) => {
  const [program, name = '', ...words] = line.split(' ');
  expect(program).toBe('rstow');
  const command = commands.find((known) => known.name() === name);
  const options = words.filter((word) => word.startsWith('--'));
  const known = command?.options.map(({ long }) => long);
  expect({ name, unknown: options.filter((option) => known?.includes(option) !== true) }).toEqual({ name: command?.name(), unknown: [] });
});

/** With the files of test/support that it imports: some hold the names of its cases. */
function sourceOf(file: string): string {
  const source = readFileSync(join(ROOT, file), 'utf8');
  const imported = [...source.matchAll(/'\.\.\/support\/([^']+)'/g)].map(([, name = '']) => join(ROOT, 'test/support', name));
  return [source, ...imported.map((path) => readFileSync(path, 'utf8'))].join('\n');
}
