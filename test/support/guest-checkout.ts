/**
 * This checkout in a guest: what `package.json` wants at run time, Node and rstmdb as an image that is made once, and the sources of this very
 * moment, copied in.
 */
import { existsSync } from 'node:fs';
import { cp, mkdir, readFile, rm } from 'node:fs/promises';
import { basename, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { QemuHost } from './qemu-host.ts';
import { cachedFolder, runOrThrow } from './root-file-system.ts';
import { toolPath } from './tools.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const LOCK = join(ROOT, 'package-lock.json');
const SOURCES = ['package.json', 'src', 'test', 'demo', 'docs'];

/** In the guest. */
const TOOLS = '/opt/tools';
export const CHECKOUT = '/opt/rstow';
const BUNDLE = '/opt/workflows.js';

/** An image for `startQemuHost`. */
export async function toolsImage(): Promise<string> {
  const folder = await cachedFolder('guest-tools', [await readFile(LOCK, 'utf8'), process.version, toolPath('rstmdb')], makeImage);
  return join(folder, 'tools.img');
}

async function makeImage(made: string): Promise<void> {
  const content = join(made, 'content');
  await mkdir(join(content, 'bin'), { recursive: true });
  await cp(process.execPath, join(content, 'bin/node'));
  await cp(toolPath('rstmdb'), join(content, 'bin/rstmdb'));
  for (const path of await runtimePackages()) {
    await cp(join(ROOT, path), join(content, path), { recursive: true, filter: (source) => isNeeded(relative(join(ROOT, path), source)) });
  }
  await runOrThrow('mke2fs', ['-q', '-t', 'ext4', '-d', content, join(made, 'tools.img'), '1G']);
  await rm(content, { recursive: true });
}

/** As paths from the root. Of those for other machines nothing is installed. */
async function runtimePackages(): Promise<string[]> {
  const { packages } = JSON.parse(await readFile(LOCK, 'utf8')) as { packages: Record<string, { dev?: boolean }> };
  const paths = Object.entries(packages).filter(([path, { dev }]) => path !== '' && dev !== true);
  return paths.map(([path]) => path).filter((path) => existsSync(join(ROOT, path)));
}

/** Packages inside a package are listed by themselves; of native ones only those of this machine's kind run. */
function isNeeded(path: string): boolean {
  const [top, platform] = path.split('/');
  if (top === 'node_modules' || top === 'sdk-core') return false;
  return top !== 'releases' || platform === undefined || platform === 'x86_64-unknown-linux-gnu';
}

/** The first of the guest's images is `toolsImage`. */
export async function copyCheckoutIn(host: QemuHost, workflowBundlePath: string): Promise<void> {
  await host.must(`mkdir -p ${TOOLS} && mount -o ro /dev/vdb ${TOOLS}`);
  await host.copyIn(ROOT, SOURCES, CHECKOUT);
  await host.copyIn(join(workflowBundlePath, '..'), [basename(workflowBundlePath)], '/opt');
  await host.must(`ln -sfn ${TOOLS}/node_modules ${CHECKOUT}/node_modules`);
  if (basename(workflowBundlePath) !== basename(BUNDLE)) await host.must(`mv /opt/${basename(workflowBundlePath)} ${BUNDLE}`);
}

/** A command line for a program of the checkout. */
export function nodeIn(script: string, ...args: string[]): string {
  const words = [script, ...args].map((word) => `'${word}'`).join(' ');
  return `cd ${CHECKOUT} && PATH=${TOOLS}/bin:$PATH RSTOW_WORKFLOW_BUNDLE=${BUNDLE} NODE_COMPILE_CACHE=/var/tmp/node-cache node --disable-warning=ExperimentalWarning ${words}`;
}
