import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { errnoOf } from '../files/errno.ts';
import { type Binding, bindingNow, createBinding, readBinding, replaceBinding, whatDiffers } from './installation-binding.ts';
import { createStateFile, readStateFile, replaceStateFile } from './state-file.ts';

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
