import { readFile } from 'node:fs/promises';

/** What tells this machine from others; each undefined where this process can't read it. */
export type Machine = {
  /** Of the operating system's installation: a cloned disk keeps it. */
  machineId: string | undefined;
  /** Of the hardware or the virtual machine: a cloned machine gets another one. Only root may read it. */
  productId: string | undefined;
  /** Of this boot. */
  bootId: string | undefined;
};

const MACHINE_ID_FILES = ['/etc/machine-id', '/var/lib/dbus/machine-id'];

/** A container that has no machine id of its own has none here. */
export async function readMachine(): Promise<Machine> {
  const machineIds = await Promise.all(MACHINE_ID_FILES.map(readId));
  return {
    machineId: machineIds.find((id) => id !== undefined),
    productId: await readId('/sys/class/dmi/id/product_uuid'),
    bootId: await readId('/proc/sys/kernel/random/boot_id'),
  };
}

/** An image that was prepared for cloning may hold an empty file, or the word `uninitialized`. */
async function readId(path: string): Promise<string | undefined> {
  try {
    const id = (await readFile(path, 'utf8')).trim().toLowerCase();
    return /^[0-9a-f-]{32,36}$/.test(id) ? id : undefined;
  } catch {
    return undefined;
  }
}
