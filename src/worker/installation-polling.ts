import type { Owner } from '../formats/repository/owner.ts';
import type { TemporalConnection } from './temporal-connection.ts';
import { pollersOf } from './installation-pollers.ts';

/** A poll lasts a minute; a poller is remembered for some more. */
const POLL_MS = 75_000;

/** Whether an agent of that very installation was seen at this Temporal within the last minute or so. */
export async function isInstallationPolling(temporal: TemporalConnection, { installationId }: Owner): Promise<boolean> {
  const pollers = await pollersOf(temporal, installationId);
  return pollers.some(({ lastAccessMs }) => Date.now() - lastAccessMs < POLL_MS);
}
