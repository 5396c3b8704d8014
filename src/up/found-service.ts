import { isAbsolute, join } from 'node:path';
import { runCommand } from '../io/process/run-command.ts';
import type { FoundServer } from '../io/rstmdb/discover-server.ts';
import type { ProcessLaunch } from '../io/process/proc.ts';

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
      return byHand(`process ${server.pid}, in a container`, containerLines(keeper));
    case 'systemd':
      return await unitService(server);
    case 'process':
      return await processService(server, keeper);
  }
}

function byHand(found: string, todo: string[]): FoundService {
  return { service: undefined, rehearsal: undefined, found, todo };
}

async function unitService({ unit, pid, launch }: Extract<FoundServer, { kind: 'systemd' }>): Promise<FoundService> {
  const ownUid = process.getuid?.() ?? 0;
  const systemctl = (...words: string[]): string[] => ['systemctl', ...words, unit];
  return {
    service: { kind: 'commands', start: systemctl('start'), stop: systemctl('stop'), status: systemctl('is-active', '--quiet') },
    rehearsal: rehearsalOf(launch),
    found: `process ${pid}, the unit ${unit}: systemctl stops and starts it`,
    todo: ownUid === 0 ? [] : polkitLines(unit, (await userName(ownUid)) ?? String(ownUid)),
  };
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
    '  service:',
    '    kind: commands',
    '    start: [systemctl, start, rstmdb]',
    '    stop: [systemctl, stop, rstmdb]',
    '    status: [systemctl, is-active, --quiet, rstmdb]',
    '  rehearsal:',
    '    command: [rstmdb]',
  ];
}

function containerLines({ database, configFile }: Keeper): string[] {
  return [
    `Say under databases.${database} in ${configFile} what it is called:`,
    '  service:',
    '    kind: commands',
    '    start: [docker, start, NAME]',
    '    stop: [docker, stop, --time, "60", NAME]',
    '    status: [sh, -c, "docker ps -q -f name=^NAME$ | grep -q ."]',
    '  rehearsal:',
    '    container: { engine: docker, image: IMAGE }',
  ];
}

function secretLines(database: string): string[] {
  return [
    'Let the server read it from a file (auth.secrets_file, replication.auth_secrets_file),',
    `or say under databases.${database} how it is started:`,
    '  service:',
    '    kind: commands',
    '    start: [systemctl, start, rstmdb]',
    '    stop: [systemctl, stop, rstmdb]',
    '    status: [systemctl, is-active, --quiet, rstmdb]',
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
