import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { stat, statfs } from 'node:fs/promises';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { type Binding, bindingSchema } from '../../formats/agent-state.ts';
import { errnoOf } from '../files/errno.ts';
import { createStateFile, readStateFile, replaceStateFile } from './state-file.ts';
import { type Machine, readMachine } from '../process/machine.ts';

const INSTALLATION_ID = /^[0-9a-f-]{36}$/;

/**
 * The random id of this installation, made once in the state directory: a rebuilt host and a returning old one are
 * told apart by it. It is bound to this machine and this directory. Fails: agent-state-unsupported, installation-cloned.
 */
export async function installationId(stateDir: string): Promise<string> {
  const path = idPath(stateDir);
  return unlessUnusable(path, async () => {
    // Two agents that start at once on a new state directory agree on the id of whichever was first.
    const known = await readStateFile(path);
    if (known === undefined) await createStateFile(path, `${randomUUID()}\n`);
    const id = (known ?? (await readStateFile(path)))?.trim() ?? '';
    if (!INSTALLATION_ID.test(id))
      throw new RstowError('agent-state-unsupported', `${path} does not hold an installation id`, { details: { path } });
    await requireBound(stateDir, id);
    return id;
  });
}

/** Before anything is written in the installation's name. Fails: agent-state-unsupported, installation-cloned. Twice: asked again. */
export async function requireInstallation(stateDir: string, id: string): Promise<void> {
  const path = idPath(stateDir);
  await unlessUnusable(path, async () => {
    const now = (await readStateFile(path))?.trim();
    if (now !== id) throw cloned(stateDir, id, `it holds ${now ?? 'no id'} by now`);
    await requireBound(stateDir, id);
  });
}

/** What shows that the state directory was copied, or its machine cloned; undefined if it is where it was made. Fails: agent-state-unsupported. */
export async function whyCloned(stateDir: string): Promise<string | undefined> {
  return unlessUnusable(idPath(stateDir), async () => {
    const bound = await readBinding(stateDir);
    return bound === undefined ? undefined : whatDiffers(bound, await bindingNow(stateDir));
  });
}

/** Makes the state directory one of a new installation, here. Gives both ids. Twice: yet another one. */
export async function renewInstallation(stateDir: string): Promise<{ previous: string | null; installationId: string }> {
  const path = idPath(stateDir);
  return unlessUnusable(path, async () => {
    const previous = (await readStateFile(path))?.trim() ?? null;
    const id = randomUUID();
    await replaceStateFile(path, `${id}\n`);
    // Last: until then the directory is refused as it was before.
    await replaceBinding(stateDir, await bindingNow(stateDir));
    return { previous, installationId: id };
  });
}

async function requireBound(stateDir: string, id: string): Promise<void> {
  const now = await bindingNow(stateDir);
  const bound = await readBinding(stateDir);
  if (bound === undefined) {
    if (!(await createBinding(stateDir, now))) await requireBound(stateDir, id);
    return;
  }
  const why = whatDiffers(bound, now);
  if (why !== undefined) throw cloned(stateDir, id, why);
  const newer = renewed(bound, now);
  if (JSON.stringify(newer) !== JSON.stringify(bound)) await replaceBinding(stateDir, newer);
}

/** After a reboot the device's number may be another one; what this process can't read stays known. */
function renewed(bound: Binding, now: Binding): Binding {
  const { machineId = bound.machineId, productId = bound.productId, bootId = bound.bootId, inode = bound.inode } = now;
  return { format: 1, machineId, productId, bootId, device: now.device, inode };
}

function cloned(stateDir: string, id: string, why: string): RstowError {
  return new RstowError('installation-cloned', `${stateDir} is not the state directory of installation ${id}: ${why}`, {
    details: { stateDir, installationId: id },
  });
}

function idPath(stateDir: string): string {
  return join(stateDir, 'installation-id');
}

async function unlessUnusable<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof RstowError) throw error;
    const why = errnoOf(error) ?? (error instanceof Error ? error.name : String(error));
    throw new RstowError('agent-state-unsupported', `${path} can't be read or written: ${why}`, { details: { path }, cause: error });
  }
}

/** What gives a folder another inode whenever it is mounted. @see statfs(2) */
const UNSTEADY_FILE_SYSTEMS = [0x65735546, 0xff534d42, 0xfe534d42, 0x01021997, 0x794c7630];

/** Where this state directory is now. */
export async function bindingNow(stateDir: string, machine?: Machine): Promise<Binding> {
  const { dev, ino } = await stat(stateDir, { bigint: true });
  const { type } = await statfs(stateDir);
  const inode = UNSTEADY_FILE_SYSTEMS.includes(type) ? undefined : ino.toString();
  return { format: 1, ...(machine ?? (await readMachine())), device: dev.toString(), inode };
}

/** What shows that the state directory was copied, or its machine cloned; undefined where nothing does. */
export function whatDiffers(bound: Binding, now: Binding): string | undefined {
  const differ = (one: string | undefined, other: string | undefined): boolean => one !== undefined && other !== undefined && one !== other;
  if (differ(bound.machineId, now.machineId)) return 'it was made on another machine (/etc/machine-id)';
  if (differ(bound.productId, now.productId)) return 'it was made on another machine (product_uuid)';
  if (differ(bound.inode, now.inode)) return 'it is a copy of another state directory';
  const isSameBoot = bound.bootId !== undefined && bound.bootId === now.bootId;
  return isSameBoot && bound.device !== now.device ? 'it is a copy of another state directory, on another file system' : undefined;
}

/** Undefined where the id was never bound: it has just been made, or a person has put it there. */
async function readBinding(stateDir: string): Promise<Binding | undefined> {
  const text = await readStateFile(pathOf(stateDir));
  return text === undefined ? undefined : bindingSchema.parse(JSON.parse(text));
}

/** Binds an id that isn't bound yet. False where somebody has done so at the same moment. */
async function createBinding(stateDir: string, binding: Binding): Promise<boolean> {
  return createStateFile(pathOf(stateDir), textOf(binding));
}

/** Twice: the later one stands. */
async function replaceBinding(stateDir: string, binding: Binding): Promise<void> {
  await replaceStateFile(pathOf(stateDir), textOf(binding));
}

function textOf(binding: Binding): string {
  return `${JSON.stringify(binding)}\n`;
}

function pathOf(stateDir: string): string {
  return join(stateDir, 'installation-binding.json');
}
