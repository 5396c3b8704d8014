import type { KeysOptions, Repository } from '../../src/io/repository/port.ts';

export type RepositoryUnderTest = {
  name: string;

  /** Opens a fresh, empty repository. */
  open(): Promise<OpenedForTest>;

  /** Whether big objects pass through a bounded part of memory. */
  streams: boolean;

  /** How large that part is at most; 24 MiB where absent. */
  heldBytesMax?: number;
};

export type OpenedForTest = {
  repository: Repository;
  close(): Promise<void>;

  /** Makes objects that hold their keys, by a shorter way than 10,000 puts. */
  fill?: (keys: readonly string[]) => Promise<void>;
};

export const mebibyte = 1024 * 1024;
export const text = (content: string): Uint8Array => Buffer.from(content);

export async function collect<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const collected: Item[] = [];
  for await (const item of items) collected.push(item);
  return collected;
}

export const keysOf = (repository: Repository, prefix: string, options?: KeysOptions): Promise<string[]> =>
  collect(repository.keys(prefix, options));

/** Objects that hold their keys. */
export async function fill({ repository, fill: fillShortly }: OpenedForTest, keys: readonly string[]): Promise<void> {
  if (fillShortly !== undefined) await fillShortly(keys);
  else await Promise.all(keys.map((key) => repository.put(key, text(key))));
}

export async function contentOf(repository: Repository, key: string): Promise<string | undefined> {
  const bytes = await repository.read(key, { sizeBytesMax: mebibyte });
  return bytes === undefined ? undefined : Buffer.from(bytes).toString();
}
