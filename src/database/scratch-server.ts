import { join } from 'node:path';
import type { DatabaseConfig, TimingConfig } from '../config/agent-config.ts';
import { RstowError } from '../core/errors/rstow-error.ts';
import { processesWithOpenFilesUnder } from '../io/process/open-files.ts';
import { portHolders } from '../io/process/port-holders.ts';
import { removeContainers } from '../io/service/container-service.ts';
import { endHolders } from '../io/service/end-holders.ts';
import { freePort, isPortFree } from '../io/service/free-port.ts';
import { runningProcesses } from '../io/service/process-service.ts';
import { type ManagedServer, serviceOf, startServer } from './managed-service.ts';
import { scratchContainerPrefix, type ScratchPlace, scratchServer } from './scratch-service.ts';

/** A port that we chose may be taken by somebody else before the server has it; so many are tried. */
const PORTS_MAX = 5;

/**
 * Boots the database's own server program on other data, a loopback port and a state of its own: nothing that it could
 * do to the real one. Fails: port-taken, service-start-failed, server-program-missing. Twice: end the earlier one first.
 */
export async function bootScratchServer(place: ScratchPlace, timing: TimingConfig, signal: AbortSignal): Promise<ManagedServer> {
  for (let tried = 1; ; tried += 1) {
    const port = place.settings.rehearsal.port ?? (await freePort());
    try {
      return await bootOn(port, place, { timing, signal });
    } catch (error) {
      await endScratchServer(place);
      // A server that can't have its port just ends: only the port tells why.
      const taken = await portShortage(port);
      if (taken === undefined) throw error;
      if (place.settings.rehearsal.port !== undefined || tried === PORTS_MAX) throw taken;
    }
  }
}

/** Ends what the attempt has started on its data. Fails: service-stop-failed. Twice: no-op. */
export async function endScratchServer({ settings, dataDir, runId, attempt }: ScratchPlace): Promise<void> {
  await endServers(settings, dataDir, `^${scratchContainerPrefix(runId)}${attempt}$`);
}

/** Ends whatever any attempt of the run has started in the folder. Fails: service-stop-failed. Twice: no-op. */
export async function endScratchServers({ settings, dataDir, runId }: Omit<ScratchPlace, 'attempt'>): Promise<void> {
  await endServers(settings, dataDir, `^${scratchContainerPrefix(runId)}`);
}

async function endServers({ rehearsal }: DatabaseConfig, folder: string, names: string): Promise<void> {
  if (rehearsal.container !== undefined) await removeContainers(rehearsal.container.engine, names);
  await endHolders(folder, { graceMs: 0 });
}

/** Of a port that the config fixes, before anything is fetched. Fails: port-taken. */
export async function requireScratchPort({ rehearsal }: DatabaseConfig): Promise<void> {
  const taken = rehearsal.port === undefined ? undefined : await portShortage(rehearsal.port);
  if (taken !== undefined) throw taken;
}

type Boot = { timing: TimingConfig; signal: AbortSignal };

async function bootOn(port: number, place: ScratchPlace, { timing, signal }: Boot): Promise<ManagedServer> {
  const server = await scratchServer(place, port);
  const taken = await portShortage(port);
  if (taken !== undefined) throw taken;
  await startServer(server, timing, signal);
  if (!(await isOurs(server, port))) throw new RstowError('service-start-failed', `another server answers at ${server.server.address}`);
  return server;
}

/** What answers there could be anybody's, and a test writes to it. */
async function isOurs(server: ManagedServer, port: number): Promise<boolean> {
  const { service, dataDir } = server;
  if (!(await serviceOf(server).isRunning())) return false;
  // An engine starts no container whose port it can't have.
  if (service.kind !== 'process') return true;
  const holders = (await portHolders(port)).map(({ pid }) => pid);
  const writers = await processesWithOpenFilesUnder(join(dataDir, 'wal'), { ignorePid: process.pid, writersOnly: true });
  const ours = [...(await runningProcesses(service)), ...writers].map(({ pid }) => pid);
  // As another user's they can't be seen.
  return holders.length === 0 || holders.some((pid) => ours.includes(pid));
}

async function portShortage(port: number): Promise<RstowError | undefined> {
  if (await isPortFree(port)) return undefined;
  const [holder] = await portHolders(port);
  const who = holder === undefined ? 'another program' : `process ${holder.pid} (${holder.command})`;
  return new RstowError('port-taken', `${who} listens on port ${port}, which the second server needs`, {
    details: { port, ...(holder === undefined ? {} : { pid: holder.pid, command: holder.command }) },
  });
}
