type Sync = (folder: string) => Promise<boolean>;

/**
 * Those who ask for one folder while it is being synced share the next sync: it begins after all of them had made their
 * names. The one that runs may have begun too early for them.
 */
export function createSharedSync(sync: Sync): Sync {
  const running = new Map<string, Promise<unknown>>();
  const next = new Map<string, Promise<boolean>>();
  const begin = async (folder: string): Promise<boolean> => {
    // Also without one that runs this lets the caller go on first.
    await running.get(folder)?.catch(() => undefined);
    next.delete(folder);
    const syncing = sync(folder);
    running.set(folder, syncing);
    try {
      return await syncing;
    } finally {
      if (running.get(folder) === syncing) running.delete(folder);
    }
  };
  return (folder) => {
    const shared = next.get(folder) ?? begin(folder);
    next.set(folder, shared);
    return shared;
  };
}
