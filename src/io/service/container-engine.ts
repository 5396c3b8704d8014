/** The command line that docker and podman share. */
import type { CommandResult } from '../process/run-command.ts';
import { runManagerCommand } from './manager-command.ts';
import { outputTail } from './process-files.ts';

export type ContainerEngine = 'docker' | 'podman';

type Container = { readonly engine: ContainerEngine; readonly name: string };

export type EngineCall = {
  readonly code: 'failed' | 'service-start-failed' | 'service-stop-failed';
  /** What the command waits for, beyond its own time. */
  readonly waitMs?: number;
  /** The engine's own time. */
  readonly timeoutMs?: number;
  readonly env?: Readonly<Record<string, string>>;
};

const COMMAND_TIMEOUT_MS = 60_000;
const LOG_LINES = '10';

/** Fails: the given code. */
export function engineCommand(engine: ContainerEngine, argv: readonly string[], call: EngineCall): Promise<CommandResult> {
  const { code, waitMs = 0, timeoutMs = COMMAND_TIMEOUT_MS, env = {} } = call;
  return runManagerCommand([engine, ...argv], { what: `${engine} ${argv[0] ?? ''}`, code, env, timeoutMs: waitMs + timeoutMs });
}

/** Stops a container by its own stop signal, and after the time by SIGKILL. An engine counts whole seconds. */
export async function stopByEngine({ engine, name }: Container, graceMs: number, call: EngineCall): Promise<void> {
  await engineCommand(engine, ['stop', '--time', String(Math.ceil(graceMs / 1000)), name], { ...call, waitMs: graceMs });
}

/** What the server of a container said last; empty where its engine doesn't say. */
export async function containerLogTail(engine: ContainerEngine, name: string): Promise<string> {
  const said = await engineCommand(engine, ['logs', '--tail', LOG_LINES, name], { code: 'failed' }).catch(() => undefined);
  return said === undefined ? '' : outputTail(`${said.stdout}${said.stderr}`);
}
