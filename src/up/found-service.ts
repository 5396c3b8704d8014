import { fileURLToPath } from 'node:url';
import { isAbsolute, join } from 'node:path';
import { runCommand } from '../io/process/run-command.ts';
import type { FoundServer } from '../io/rstmdb/discover-server.ts';
import { isPreparedUnit } from '../io/service/systemd-service.ts';
import type { ProcessLaunch } from '../io/process/proc.ts';
import { containerOfProcess } from '../io/service/running-containers.ts';
import { serverDropIn } from '../core/text/server-drop-in.ts';

/** Of this file in the sources and in a build alike. */
export const LAUNCHER = fileURLToPath(new URL('../../bin/rstow', import.meta.url));

/** What the config file says of a server that was found running. */
export type FoundService = {
  /** Undefined if rstow can't stop and start the server. */
  service: Record<string, unknown> | undefined;
  /** Undefined if rstow doesn't know the server's program. */
  rehearsal: Record<string, unknown> | undefined;
  /** For a person: what was found. */
  found: string;
  /** For a person: what must be done by hand, with the very lines. */
  todo: string[];
};

type Keeper = { database: string; stateDir: string; configFile: string };
type Launched = Extract<FoundServer, { launch: ProcessLaunch }>;

/** What a server needs of its environment. */
const NEEDED = /^(RSTMDB_|RUST_|LD_LIBRARY_PATH$)/;
/** Nothing secret enters a config file; a hash, or a file's path, is no secret. */
const SECRET = /(TOKEN|PASSWORD|SECRET)$/;
const COMMAND_TIMEOUT_MS = 10_000;

/** How rstow is to stop and start the server again, the same way. */
export async function foundService(server: FoundServer, keeper: Keeper): Promise<FoundService> {
  switch (server.kind) {
    case 'unseen':
      return byHand('the server’s process can’t be seen: it is down, or another user’s', unseenLines(keeper));
    case 'container':
      return await containerService(server.pid, keeper);
    case 'systemd':
      return await unitService(server, keeper);
    case 'process':
      return await processService(server, keeper);
  }
}

function byHand(found: string, todo: string[]): FoundService {
  return { service: undefined, rehearsal: undefined, found, todo };
}

async function unitService(
  { unit, pid, launch }: Extract<FoundServer, { kind: 'systemd' }>,
  { database, configFile }: Keeper,
): Promise<FoundService> {
  const ownUid = process.getuid?.() ?? 0;
  const asRoot = ownUid === 0;
  const polkit = asRoot ? [] : polkitLines(unit, (await userName(ownUid)) ?? String(ownUid));
  const dropIn = serverDropIn({ unit, database, program: LAUNCHER, configFile, asRoot });
  return {
    service: { kind: 'systemd', unit },
    rehearsal: rehearsalOf(launch),
    found: `process ${pid}, the unit ${unit}: systemctl stops and starts it`,
    todo: [...polkit, ...((await isPreparedUnit(unit)) ? [] : dropInLines(unit, dropIn))],
  };
}

async function containerService(pid: number, keeper: Keeper): Promise<FoundService> {
  const container = await containerOfProcess(pid);
  if (container === undefined) return byHand(`process ${pid}, in a container`, containerLines(keeper));
  const { engine, name, image, unit, isRemovedAtEnd } = container;
  const rehearsal = { container: { engine, image } };
  const found = `process ${pid}, in the container ${name} of ${engine}`;
  if (unit !== undefined) {
    return { service: { kind: 'systemd', unit }, rehearsal, found: `${found}, which the unit ${unit} stops and starts`, todo: [] };
  }
  if (isRemovedAtEnd) {
    const todo = ['It was made with --rm, and would be gone once stopped. Make it anew without, then say', ...containerLines(keeper)];
    return { service: undefined, rehearsal, found, todo };
  }
  const service = { kind: 'docker', engine, container: name };
  return { service, rehearsal, found: `${found}: ${engine} stops and starts it`, todo: beforeStartLines(keeper) };
}

async function processService(
  server: Extract<FoundServer, { kind: 'process' }>,
  { database, stateDir, configFile }: Keeper,
): Promise<FoundService> {
  const { pid, launch } = server;
  const rehearsal = rehearsalOf(launch);
  const left = secretsOf(launch);
  if (left.length > 0) {
    const lines = [`${left.join(' and ')} of its environment is a secret, and stays out of ${configFile}.`, ...secretLines(database)];
    return { service: undefined, rehearsal, found: `process ${pid}, ${launch.command[0] ?? ''}`, todo: lines };
  }
  const user = await userOf(launch);
  const service = {
    kind: 'process',
    command: launch.command,
    env: environmentOf(launch),
    cwd: launch.cwd,
    user,
    stateDir: join(stateDir, database, 'service'),
  };
  const whose = user === undefined ? '' : ` of user ${user}`;
  return { service, rehearsal, found: `process ${pid}${whose}, ${launch.command[0] ?? ''}: rstow stops and starts it`, todo: [] };
}

function rehearsalOf(launch: Launched['launch']): Record<string, unknown> {
  return { command: launch.command, env: environmentOf(launch), cwd: launch.cwd };
}

/** A relative path of the server's config file begins where the server was started. */
function environmentOf({ environment, cwd }: ProcessLaunch): Record<string, string> {
  const kept = [...environment].filter(([name]) => NEEDED.test(name) && !SECRET.test(name));
  return Object.fromEntries(kept.map(([name, value]) => [name, name === 'RSTMDB_CONFIG' && !isAbsolute(value) ? join(cwd, value) : value]));
}

function secretsOf({ environment }: ProcessLaunch): string[] {
  return [...environment.keys()].filter((name) => NEEDED.test(name) && SECRET.test(name));
}

/** Undefined if the server's user is our own. */
async function userOf({ uid, gid }: ProcessLaunch): Promise<string | undefined> {
  if (uid === process.getuid?.()) return undefined;
  return (await userName(uid)) ?? `${uid}:${gid}`;
}

export async function userName(uid: number): Promise<string | undefined> {
  const { exitCode, stdout } = await runCommand(['id', '-un', String(uid)], { timeoutMs: COMMAND_TIMEOUT_MS });
  return exitCode === 0 ? stdout.trim() : undefined;
}

function unseenLines({ database, configFile }: Keeper): string[] {
  return [
    'Run `rstow up` as the server’s user or as root once the server is up,',
    `or say under databases.${database} in ${configFile} how it is started:`,
    '  service: { kind: systemd, unit: rstmdb.service }',
    '  rehearsal:',
    '    command: [rstmdb]',
  ];
}

function containerLines({ database, configFile }: Keeper): string[] {
  return [
    `Say under databases.${database} in ${configFile} what it is called:`,
    '  service: { kind: docker, engine: docker, container: NAME }',
    '  rehearsal:',
    '    container: { engine: docker, image: IMAGE }',
  ];
}

/** The agent on the host guards the log of a server in a container; only what runs in it can do so right before a start. */
function beforeStartLines({ database }: Keeper): string[] {
  return [
    'So that it starts with everything even while no agent runs, put rstow and its config into the image, and let its entrypoint be',
    `  sh -c 'rstow guard --before-start ${database} && exec rstmdb'`,
  ];
}

function secretLines(database: string): string[] {
  return [
    'Let the server read it from a file (auth.secrets_file, replication.auth_secrets_file),',
    `or say under databases.${database} how it is started:`,
    '  service: { kind: systemd, unit: rstmdb.service }',
  ];
}

function dropInLines(unit: string, [path, ...lines]: ReturnType<typeof serverDropIn>): string[] {
  return [
    `Each start of ${unit} has its whole log, and each stop of it is clean, once root has written`,
    `${path}:`,
    ...lines.map((line) => `  ${line}`),
    'and has run `systemctl daemon-reload`.',
  ];
}

function polkitLines(unit: string, user: string): string[] {
  return [
    `This user may stop and start ${unit} once root has written`,
    '/etc/polkit-1/rules.d/50-rstow.rules:',
    '  polkit.addRule(function (action, subject) {',
    '    if (action.id == "org.freedesktop.systemd1.manage-units" &&',
    `        action.lookup("unit") == "${unit}" &&`,
    `        subject.user == "${user}") return polkit.Result.YES;`,
    '  });',
  ];
}
