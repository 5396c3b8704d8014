import { stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { type Machine, readMachine } from '../process/machine.ts';
import { createStateFile, readStateFile, replaceStateFile } from './state-file.ts';

/** The one machine and the one state directory that an installation id belongs to. */
const bindingSchema = z.object({
  format: z.literal(1),
  machineId: z.string().optional(),
  productId: z.string().optional(),
  bootId: z.string().optional(),
  /** Device numbers last as long as a boot; inodes as long as the file system. */
  device: z.string(),
  inode: z.string().optional(),
});
export type Binding = z.infer<typeof bindingSchema>;

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
export async function readBinding(stateDir: string): Promise<Binding | undefined> {
  const text = await readStateFile(pathOf(stateDir));
  return text === undefined ? undefined : bindingSchema.parse(JSON.parse(text));
}

/** Binds an id that isn't bound yet. False where somebody has done so at the same moment. */
export async function createBinding(stateDir: string, binding: Binding): Promise<boolean> {
  return createStateFile(pathOf(stateDir), textOf(binding));
}

/** Twice: the later one stands. */
export async function replaceBinding(stateDir: string, binding: Binding): Promise<void> {
  await replaceStateFile(pathOf(stateDir), textOf(binding));
}

function textOf(binding: Binding): string {
  return `${JSON.stringify(binding)}\n`;
}

function pathOf(stateDir: string): string {
  return join(stateDir, 'installation-binding.json');
}
