/** The npm package as another service has it: packed, installed, imported and type-checked by name, and used against a real agent. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { DATABASE } from '../support/database-stack.ts';
import { openScene, type Scene } from '../support/scene.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'rstow-package-'));

let scene: Scene;

beforeAll(async () => {
  install();
  scene = await openScene({ temporalAddress: inject('temporalAddress'), workflowBundlePath: inject('workflowBundlePath') });
});
afterAll(async () => {
  await scene.close();
  rmSync(folder, { recursive: true });
});

/** As npm does it, but for the packages that rstow needs, which are linked. */
function install(): void {
  const packed = execFileSync('npm', ['pack', '--json', '--pack-destination', folder], { cwd: root, encoding: 'utf8', stdio: 'pipe' });
  const tarball = /"filename": "([^"]+)"/.exec(packed)?.[1] ?? '';
  const modules = join(folder, 'node_modules');
  mkdirSync(join(modules, 'rstow'), { recursive: true });
  execFileSync('tar', ['-xzf', join(folder, tarball), '--strip-components=1', '-C', join(modules, 'rstow')]);
  for (const name of readdirSync(join(root, 'node_modules'))) symlinkSync(join(root, 'node_modules', name), join(modules, name));
  writeFileSync(join(folder, 'package.json'), '{"type": "module"}');
}

/** Errors of types in the program, and in what the package says of its own. */
function typeErrors(program: string): string[] {
  const file = join(folder, 'checked.ts');
  writeFileSync(file, program);
  const { ModuleKind, ModuleResolutionKind, ScriptTarget } = ts;
  const options = {
    strict: true,
    noEmit: true,
    skipLibCheck: false,
    target: ScriptTarget.ES2024,
    types: ['node'],
    typeRoots: [join(folder, 'node_modules/@types')],
  };
  const checked = ts.createProgram([file], { ...options, module: ModuleKind.NodeNext, moduleResolution: ModuleResolutionKind.NodeNext });
  const own = ts
    .getPreEmitDiagnostics(checked)
    .filter(({ file: at }) => at === undefined || at.fileName === file || at.fileName.includes('/rstow/dist/'));
  return own.map(({ messageText, file: at }) => `${at?.fileName ?? ''}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`);
}

function run(program: string): string {
  const file = join(folder, 'program.ts');
  writeFileSync(file, program);
  const env = { ...process.env, ADDRESS: scene.temporalAddress, NAMESPACE: scene.namespace };
  return execFileSync(process.execPath, ['--disable-warning=ExperimentalWarning', file], { env, encoding: 'utf8' });
}

const LISTING = `
import { connectRstow, type RunState } from 'rstow/client';
import { RstowError, type Workflows } from 'rstow/contract';

const rstow = await connectRstow({ address: process.env['ADDRESS'], namespace: process.env['NAMESPACE'] });
try {
  const backup = await rstow.start('hotBackup', { database: '${DATABASE}', requestedBy: 'a-service' });
  const state: RunState = await backup.state();
  const { label }: Workflows['hotBackup']['result'] = await backup.result();
  const listed = await (await rstow.start('listBackups', { database: '${DATABASE}' })).result();
  const [run] = await rstow.runs({ database: '${DATABASE}', limit: 1 });
  const misspelt = await rstow.start('listBackups', { database: 'ordrs' }).then((started) => started.result()).catch((error: unknown) => error);
  const failure = misspelt instanceof RstowError ? { code: misspelt.code, hint: misspelt.hint } : undefined;
  console.log(JSON.stringify({ label, isWaiting: state.isWaitingForAgent, labels: listed.backups.map((row) => row.label), run, failure }));
} finally {
  await rstow.close();
}
`;

it('gives a program its client and its contract by name: typed, and at work', () => {
  expect(typeErrors(LISTING)).toEqual([]);
  const said = JSON.parse(run(LISTING)) as { label: string };
  expect(said).toEqual({
    label: expect.stringMatching(/-hot$/) as string,
    isWaiting: false,
    labels: [said.label],
    run: expect.objectContaining({ type: 'hotBackup', database: DATABASE, state: 'done' }) as object,
    failure: { code: 'unknown-database', hint: expect.stringMatching(/./) as string },
  });
});

it('refuses by its types a misspelt workflow, a misspelt field, and a result of another type', () => {
  expect(typeErrors(LISTING.replace("'listBackups'", "'listBackup'"))).not.toEqual([]);
  expect(typeErrors(LISTING.replace('requestedBy', 'requestedFrom'))).not.toEqual([]);
  expect(typeErrors(LISTING.replace("Workflows['hotBackup']", "Workflows['verifyBackup']"))).not.toEqual([]);
});

it('has the program of docs/integrations.md right', () => {
  const page = readFileSync(join(root, 'docs/integrations.md'), 'utf8');
  const [program = ''] = [...page.matchAll(/^```ts\n([^]*?)^```$/gm)].map((match) => match[1] ?? '');
  expect(program).toContain("from 'rstow/client'");
  expect(typeErrors(program)).toEqual([]);
});
