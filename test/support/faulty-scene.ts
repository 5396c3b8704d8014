/** A database whose surroundings fail on demand: its token, its service's commands, its rehearsal. */
import { chmod, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import { openServer } from '../../src/database/database.ts';
import { startServer } from '../../src/database/server-start.ts';
import type { DatabaseConfig } from '../../src/config/agent-config.ts';
import type { HotBackupResult } from '../../src/contract/hot-backup.ts';
import { type ErrorCode, errorRow } from '../../src/core/errors/error-table.ts';
import { hintOf } from '../../src/core/errors/rstow-error.ts';
import { createCommandsService } from '../../src/io/service/commands-service.ts';
import type { Service } from '../../src/io/service/service.ts';
import { loadConfig } from '../../src/worker/load-config.ts';
import type { AgentProcess } from './agent-process.ts';
import { DATABASE, type DatabaseStack } from './database-stack.ts';
import { startLoadWriters } from './load-writers.ts';
import { tokenHashOf } from './rstmdb-server.ts';
import { runProgram } from './run-program.ts';
import { openSceneWithoutAgent, type Scene, type SharedServices } from './scene.ts';
import { toolPath } from './tools.ts';

const TOKEN = 'open-sesame';
const CLI = fileURLToPath(new URL('../../bin/rstow', import.meta.url));

/** A fault is a file; `once` faults remove theirs, so that the next attempt goes well. */
export type Fault =
  | 'start-fails'
  | 'start-fails-once'
  | 'start-does-nothing-once'
  | 'start-hangs-once'
  | 'stop-fails'
  | 'stop-does-nothing'
  | 'rehearsal-fails'
  | 'rehearsal-is-mute'
  | 'rehearsal-has-no-data';

export type FaultyScene = {
  scene: Omit<Scene, 'agent'>;
  agent: AgentProcess;
  stack: DatabaseStack;
  /** The database's settings as the agent has them: `stack.settings` know no token and no faults. */
  settings: DatabaseConfig;
  /** Starts and stops the server by the same commands that the agent uses. */
  service: Service;
  tokenFile: string;
  /** A backup of everything, as long as no more is written. */
  backup: HotBackupResult;
  writeMore: () => Promise<void>;
  inject: (fault: Fault) => Promise<void>;
  take: (fault: Fault) => Promise<void>;
  /** Takes every fault away, and brings the server up. */
  heal: () => Promise<void>;
  rstow: (...args: string[]) => Promise<CliEnd>;
  close: () => Promise<void>;
};

export type CliEnd = { exitCode: number; stdout: string; stderr: string };

/** An init system's commands: a pid file, SIGINT, and faults. */
const SERVICE_SCRIPT = `#!/bin/sh
place=$(dirname "$0")
fault() { [ -e "$place/$1" ] || return 1; case $1 in *-once) rm "$place/$1" ;; esac; }
alive() {
  [ -e "$place/pid" ] || return 1
  case $(sed 's/.*) //' "/proc/$(cat "$place/pid")/stat" 2>/dev/null) in '' | Z*) return 1 ;; esac
}
case $1 in
start)
  if fault start-fails || fault start-fails-once; then echo 'no such unit' >&2; exit 5; fi
  if fault start-does-nothing-once; then exit 0; fi
  program=$RSTMDB
  if fault start-hangs-once; then program="$place/mute"; fi
  setsid "$program" >>"$place/log" 2>&1 </dev/null &
  echo $! >"$place/pid"
  ;;
stop)
  if fault stop-fails; then echo 'the unit refuses to stop' >&2; exit 6; fi
  if fault stop-does-nothing; then exit 0; fi
  kill -INT "$(cat "$place/pid")"
  while alive; do sleep 0.05; done
  ;;
status) alive ;;
esac
`;

/** A shell's background process ignores SIGINT, unless it says otherwise as a server does. */
const MUTE_SCRIPT = `#!/bin/sh
exec '${process.execPath}' -e "process.on('SIGINT', () => process.exit()); setInterval(() => undefined, 1000)"
`;

const REHEARSAL_SCRIPT = `#!/bin/sh
place=$(dirname "$0")
[ -e "$place/rehearsal-fails" ] && { echo 'cannot boot on this' >&2; exit 1; }
[ -e "$place/rehearsal-is-mute" ] && exec sleep 600
[ -e "$place/rehearsal-has-no-data" ] && { RSTMDB_DATA=$place/empty; export RSTMDB_DATA; }
exec "$RSTMDB"
`;

export type FaultyOptions = {
  /** Changes the stopped database's places before its server starts under the commands. */
  prepare?: (stack: DatabaseStack) => Promise<void>;
  /** Steps give up soon where absent, for a person waits here until they have. */
  stepGiveUpMs?: number;
};

export async function openFaultyScene(shared: SharedServices, { prepare, stepGiveUpMs = 8_000 }: FaultyOptions = {}): Promise<FaultyScene> {
  const serverEnv = { RSTMDB_AUTH_REQUIRED: 'true', RSTMDB_AUTH_TOKEN_HASH: tokenHashOf(TOKEN) };
  const timing = { stepGiveUpMs, transferGiveUpMs: stepGiveUpMs + 4_000, serverRequestMs: 3000 };
  const scene = await openSceneWithoutAgent(shared, { serverEnv, timing });
  const { stack } = scene;
  await stack.service.stop();
  await prepare?.(stack);
  const place = await writeScripts(stack);
  const changes = await faultyConfig(stack, place, serverEnv);
  const service = createCommandsService(changes.service);
  const configFile = await stack.writeConfig({ name: 'db1', stateDir: join(stack.folder, 'agent') }, changes);
  const settings = (await loadConfig(configFile)).databases[DATABASE] as DatabaseConfig;
  await startServer(openServer(settings, stack.config.timing));
  const writeMore = (): Promise<void> => writeOrders(stack.address, changes.server.tokenFile);
  await writeMore();
  const agent = await scene.startAgent(configFile);
  const backup = await scene.temporal.execute<HotBackupResult>('hotBackup', { database: DATABASE });
  return {
    ...{ scene, agent, stack, settings, service, backup, writeMore, tokenFile: changes.server.tokenFile },
    inject: (fault) => writeFile(join(place, fault), ''),
    take: (fault) => rm(join(place, fault)),
    heal: async () => {
      for (const fault of FAULTS) await rm(join(place, fault), { force: true });
      await writeFile(changes.server.tokenFile, TOKEN);
      await startServer(openServer(settings, stack.config.timing));
    },
    rstow: (...args) => runProgram(CLI, [...args, '--address', scene.temporalAddress, '--namespace', scene.namespace]),
    close: scene.close,
  };
}

async function writeOrders(address: string, tokenFile: string): Promise<void> {
  const load = await startLoadWriters({ address, tokenFile, writers: 1, prefix: `at-${Date.now()}` });
  await load.acknowledgedAtLeast(40);
  await load.stop();
}

const FAULTS: Fault[] = [
  'start-fails',
  'start-fails-once',
  'start-does-nothing-once',
  'start-hangs-once',
  'stop-fails',
  'stop-does-nothing',
  'rehearsal-fails',
  'rehearsal-is-mute',
  'rehearsal-has-no-data',
];

async function writeScripts(stack: DatabaseStack): Promise<string> {
  const place = join(stack.folder, 'faults');
  await mkdir(place);
  for (const [name, text] of Object.entries({ service: SERVICE_SCRIPT, rehearsal: REHEARSAL_SCRIPT, mute: MUTE_SCRIPT })) {
    await writeFile(join(place, name), text);
    await chmod(join(place, name), 0o755);
  }
  return place;
}

async function faultyConfig(stack: DatabaseStack, place: string, serverEnv: Record<string, string>) {
  const tokenFile = join(stack.folder, 'token');
  await writeFile(tokenFile, TOKEN, { mode: 0o600 });
  const script = join(place, 'service');
  const env = {
    ...serverEnv,
    RSTMDB: toolPath('rstmdb'),
    RSTMDB_DATA: stack.dataDir,
    RSTMDB_BIND: stack.address,
    RSTMDB_COMPACT_ENABLED: 'false',
    RSTMDB_METRICS_ENABLED: 'false',
    RUST_LOG: 'warn',
  };
  const commands = { start: [script, 'start'], stop: [script, 'stop'], status: [script, 'status'] };
  return {
    server: { address: stack.address, tokenFile },
    service: { kind: 'commands' as const, ...commands, env, timeoutMs: 5000 },
    rehearsal: { command: [join(place, 'rehearsal')], env, startTimeoutMs: 3000 },
    startTimeoutMs: 5000,
    // Shorter than a server may take to start: the watchdog acts while a restored one hangs.
    maxDowntimeMs: 3000,
  };
}

/** One sentence that begins with its code, the code's hint, its exit code, and nothing on stdout. */
export function expectFailure({ exitCode, stdout, stderr }: CliEnd, code: ErrorCode, says: RegExp): void {
  const [error = '', hint] = stderr.trim().split('\n').slice(-2);
  expect(error).toMatch(new RegExp(`^error: ${code}: `));
  expect(error).toMatch(says);
  if (code === 'invalid-input') expect(hint).toMatch(/^hint: `rstow [a-z-]+ --help` lists its options\.$/);
  else expect(hint).toBe(`hint: ${hintOf(code, { database: DATABASE })}`);
  expect({ exitCode, stdout }).toEqual({ exitCode: errorRow(code).exitCode, stdout: '' });
}

/** Nothing is lost and nothing is in the way: the next backup holds the very same state, and stores nothing anew. */
export async function expectNextBackupGoesWell({ scene, backup }: FaultyScene): Promise<void> {
  const next = await scene.temporal.execute<HotBackupResult>('hotBackup', { database: DATABASE });
  expect(next).toMatchObject({ outcome: 'done', piecesStored: 0, stateDigest: backup.stateDigest });
}
