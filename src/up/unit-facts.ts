import { stat } from 'node:fs/promises';
import type { AgentConfig, DatabaseConfig } from '../config/agent-config.ts';
import { RstowError } from '../core/errors/rstow-error.ts';
import { unitName } from '../io/service/systemd-service.ts';
import { loadConfig } from '../worker/load-config.ts';
import { type FlagConfig, flagConfig } from './flag-config.ts';
import { userName } from './found-service.ts';
import { repositoryFolders } from '../config/repository.ts';

/** What a unit must know of the host that its agent serves. */
export type UnitFacts = {
  stateDir: string;
  dataDirs: string[];
  /** The one user who can do all of the agent's work; absent if that is root. */
  user?: string;
  /** For the person who installs it: why root, or what that user still needs. */
  notes: string[];
  /** Servers that the agent starts live in its unit, and whatever bounds the unit bounds them; true while nobody knows. */
  hasServers: boolean;
  /** Whether the agent mounts snapshots of volumes. */
  hasVolumes: boolean;
  /** What the config starts by a mere name. */
  programs: string[];
  /** Units of servers whose log is to be guarded. */
  servers: { unit: string; database: string }[];
};

export type UnitConfig = { file: string } | { flags: FlagConfig };

/** Undefined while there is no config that can be read. */
export async function unitFacts(chosen: UnitConfig): Promise<UnitFacts | undefined> {
  try {
    return await factsOf('flags' in chosen ? await flagConfig(chosen.flags) : await loadConfig(chosen.file));
  } catch (error) {
    if (error instanceof RstowError) return undefined;
    throw error;
  }
}

async function factsOf(config: AgentConfig): Promise<UnitFacts> {
  const { agent, databases } = config;
  const settings = Object.values(databases);
  const dataDirs = settings.map(({ dataDir }) => dataDir);
  const hasServers = settings.some(({ service }) => service.kind === 'process' || service.kind === 'none');
  const hasVolumes = settings.some(({ snapshot }) => snapshot?.kind === 'lvm');
  const programs = settings.flatMap(programsOf);
  const common = { stateDir: agent.stateDir, dataDirs, hasServers, hasVolumes, programs, servers: serversOf(config) };
  const owners = [...new Set(await Promise.all(dataDirs.map(ownerOf)))];
  const why = whyRoot(config, owners);
  const [owner] = owners;
  if (why !== undefined || owner === undefined) return { ...common, notes: [`Root, for ${why ?? 'no database is configured'}.`] };
  const user = (await userName(owner)) ?? String(owner);
  return { ...common, user, notes: await needsOf(config, owner, user) };
}

function programsOf({ service, rehearsal }: DatabaseConfig): string[] {
  const started = [rehearsal.command?.[0], rehearsal.container?.engine];
  if (service.kind === 'process') started.push(service.command[0]);
  if (service.kind === 'docker') started.push(service.engine);
  if (service.kind === 'commands') started.push(service.start[0], service.stop[0], service.status[0]);
  return started.filter((program): program is string => program !== undefined && !program.includes('/'));
}

function serversOf({ databases }: AgentConfig): UnitFacts['servers'] {
  return Object.entries(databases).flatMap(([database, { service, guard }]) => {
    return guard.enabled && service.kind === 'systemd' ? [{ database, unit: unitName(service.unit) }] : [];
  });
}

function whyRoot({ databases }: AgentConfig, owners: readonly (number | undefined)[]): string | undefined {
  if (owners.includes(undefined)) return 'a data directory is not there yet, so nobody owns it';
  if (Object.values(databases).some(({ snapshot }) => snapshot?.kind === 'lvm')) return 'snapshots of LVM, and their mounts, need it';
  if (owners.length > 1) return 'the data directories belong to several users';
  if (owners[0] === 0) return 'the data directories belong to root';
  const kinds = Object.values(databases).map(({ service }) => service.kind);
  if (kinds.includes('systemd')) return 'it stops and starts a unit; or a polkit rule for the server’s user (docs/security.md)';
  if (kinds.includes('docker')) return 'it stops and starts a container; who may do that through docker’s socket is as good as root';
  return kinds.includes('commands') ? 'service.commands may need it' : undefined;
}

/** What root must give that user once. */
async function needsOf({ repositories }: AgentConfig, uid: number, user: string): Promise<string[]> {
  const paths = repositoryFolders(repositories);
  const owners = await Promise.all(paths.map(ownerOf));
  const foreign = paths.filter((_path, index) => owners[index] !== uid);
  return foreign.map((path) => `Once, so that ${user} can write it: mkdir -p ${path} && chown -R ${user} ${path}`);
}

async function ownerOf(path: string): Promise<number | undefined> {
  return stat(path).then(
    ({ uid }) => uid,
    () => undefined,
  );
}
