type BatchBounds<Item> = { sizeBytesOf: (item: Item) => number; countMax: number };

type Batch<Item> = [Item, ...Item[]];

/** What lies in one batch may be in memory at once. */
const BATCH_SIZE_BYTES_MAX = 4 * 1024 * 1024;

/** Small items in groups, in their order: what is done side by side is synced together by the disk. A large one is alone. */
export function* batchesOf<Item>(items: Iterable<Item>, { sizeBytesOf, countMax }: BatchBounds<Item>): Generator<Batch<Item>> {
  let batch: Batch<Item> | undefined;
  let sizeBytes = 0;
  for (const item of items) {
    sizeBytes += sizeBytesOf(item);
    if (batch !== undefined && batch.length < countMax && sizeBytes <= BATCH_SIZE_BYTES_MAX) {
      batch.push(item);
      continue;
    }
    if (batch !== undefined) yield batch;
    batch = [item];
    sizeBytes = sizeBytesOf(item);
  }
  if (batch !== undefined) yield batch;
}

/** The outcomes in order. All come to their end before the first failure is reported: none goes on behind the caller's back. */
export async function allEnded<Outcome>(works: readonly Promise<Outcome>[]): Promise<Outcome[]> {
  await Promise.allSettled(works);
  return Promise.all(works);
}

/** Works at all of them, so many side by side, in their order. All that was begun comes to its end before the first failure is reported. */
export async function sideBySide<Item>(items: Iterable<Item>, countMax: number, work: (item: Item) => Promise<void>): Promise<void> {
  const waiting = items[Symbol.iterator]();
  let hasFailed = false;
  const worker = async (): Promise<void> => {
    for (let next = waiting.next(); next.done !== true && !hasFailed; next = waiting.next()) {
      try {
        await work(next.value);
      } catch (error) {
        hasFailed = true;
        throw error;
      }
    }
  };
  await allEnded(Array.from({ length: countMax }, worker));
}
