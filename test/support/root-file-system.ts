/**
 * What a host made for a test is made of: Debian's programs in a folder, which systemd-nspawn, user-mode-linux and QEMU can start
 * from. Made once a machine, and kept in .tools/hosts/.
 */
import { accessSync, constants } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { createHash } from 'node:crypto';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { acquireHostMutex } from '../../src/io/mutex/host-mutex.ts';
import { runProgram } from './run-program.ts';

const CACHE = fileURLToPath(new URL('../../.tools/hosts', import.meta.url));

/** On a busy machine with an empty cache. */
const BUILD_TIMEOUT_MS = 240_000;

/** Where a user's PATH may not lead. */
const SYSTEM_FOLDERS = ['/usr/sbin', '/sbin', '/usr/bin', '/bin'];

/**
 * Undefined if a host can be made of these programs here; else what a skipped suite's name ends with:
 * `describe.skipIf(lack !== undefined)(`LVM${lack ?? ''}`, …)`.
 */
export function lackForHosts(...programs: string[]): string | undefined {
  const missing = programs.filter((program) => !isInstalled(program));
  if (process.getuid?.() !== 0) missing.unshift('root');
  return missing.length === 0 ? undefined : ` (needs ${missing.join(', ')}; scripts/host-tools.sh)`;
}

function isInstalled(program: string): boolean {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), ...SYSTEM_FOLDERS].filter((folder) => folder !== '');
  return folders.some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

type RootOptions = {
  /** Beside Debian's smallest system. */
  packages: readonly string[];
  /** Of the machine's own apt sources: `main` alone, if nothing else is said. */
  components?: readonly string[];
};

/**
 * A Debian as `mmdebstrap` makes it, by the machine's own apt sources: a folder that nobody may change. Start from a copy
 * (`cp -a`, `mke2fs -d`) or put an overlay over it. Needs root and mmdebstrap.
 */
export async function rootFileSystem({ packages, components = ['main'] }: RootOptions): Promise<string> {
  const sources = await aptSources(components);
  const include = [...packages].sort().join(',');
  return cachedFolder('debian', [include, ...sources.values()], async (folder) => {
    const texts = await mkdtemp(join(tmpdir(), 'rstow-apt-sources-'));
    try {
      const files = [...sources.keys()].map((name) => join(texts, name));
      for (const [name, text] of sources) await writeFile(join(texts, name), text);
      // The suite is what the sources say.
      const command = ['mmdebstrap', '--quiet', '--variant=minbase', '--mode=root', `--include=${include}`, '', folder, ...files];
      await runOrThrow('unshare', ['--mount', '--propagation', 'private', ...command]);
    } finally {
      await rm(texts, { recursive: true });
    }
  });
}

/**
 * The folder that `make` makes once for this name and whatever it is made of: it exists whole, or not at all. Whoever finds
 * somebody at it waits.
 */
export async function cachedFolder(name: string, madeOf: readonly string[], make: (folder: string) => Promise<void>): Promise<string> {
  const key = `${name}-${createHash('sha256').update(JSON.stringify(madeOf)).digest('hex').slice(0, 16)}`;
  const folder = join(CACHE, key);
  if (await isThere(folder)) return folder;
  await mkdir(CACHE, { recursive: true });
  const mutex = await acquireHostMutex(`hosts/${key}`, { what: `making ${folder}`, waitTimeoutMs: BUILD_TIMEOUT_MS });
  try {
    if (await isThere(folder)) return folder;
    const unfinished = `${folder}.unfinished`;
    await rm(unfinished, { recursive: true, force: true });
    await make(unfinished);
    await rename(unfinished, folder);
    return folder;
  } finally {
    await mutex.release();
  }
}

/** Fails with what the program said. */
export async function runOrThrow(file: string, args: readonly string[], timeoutMs: number = BUILD_TIMEOUT_MS): Promise<string> {
  const { exitCode, stdout, stderr } = await runProgram(file, args, { timeoutMs });
  if (exitCode !== 0) throw new Error(`${file} ${args.join(' ')} ended with ${exitCode}: ${stdout}${stderr}`);
  return stdout;
}

async function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

const SOURCES_LIST = '/etc/apt/sources.list';
const SOURCES_FOLDER = '/etc/apt/sources.list.d';

/** By file name: apt reads one-line and deb822 files, and tells them by it. Sources of other packagers stay out. */
async function aptSources(components: readonly string[]): Promise<Map<string, string>> {
  const entries = await readdir(SOURCES_FOLDER).catch(() => []);
  const files = [SOURCES_LIST, ...entries.map((name) => join(SOURCES_FOLDER, name))];
  const texts = await Promise.all(files.map((file) => readFile(file, 'utf8').catch(() => '')));
  const found = files.map((file, index) => [join('/', file).split('/').at(-1) ?? '', texts[index] ?? ''] as const);
  return new Map(found.filter(([name, text]) => isOfDebian(name, text)).map(([name, text]) => [name, withComponents(text, components)]));
}

function isOfDebian(name: string, text: string): boolean {
  return /\.(list|sources)$/.test(name) && /^(Components:|deb ).*\bmain\b/m.test(text);
}

/** The whole list begins with `main` wherever Debian's own packages are named. */
function withComponents(text: string, components: readonly string[]): string {
  return text.replace(/^((?:Components:|deb ).*?)\bmain\b.*$/gm, `$1${components.join(' ')}`);
}
