/** `rstow …` as a shell runs it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../../../src/cli/main.ts', import.meta.url));
const DEMO_MAIN = fileURLToPath(new URL('../../../demo/demo-main.ts', import.meta.url));

export type RstowProcess = {
  pid: number;
  stdout: () => string;
  stderr: () => string;
  signal: (signal: NodeJS.Signals) => void;
  exitCode: Promise<number | null>;
};

export type Ended = { exitCode: number | null; stdout: string; stderr: string };

/** As the user of this number where one is given, which takes root. */
export function spawnRstow(args: readonly string[], env: Record<string, string> = {}, user?: number): RstowProcess {
  return spawnNode([MAIN, ...args], env, user);
}

/** The demo, as `npm start` runs it. */
export function spawnDemo(args: readonly string[] = []): RstowProcess {
  return spawnNode([DEMO_MAIN, ...args], {}, undefined);
}

function spawnNode(words: readonly string[], env: Record<string, string>, user: number | undefined): RstowProcess {
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', ...words], {
    env: { ...process.env, ...env },
    uid: user,
    gid: user,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const text = { stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (text.stdout += chunk));
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (text.stderr += chunk));
  return {
    pid: child.pid ?? 0,
    stdout: () => text.stdout,
    stderr: () => text.stderr,
    signal: (signal) => void child.kill(signal),
    exitCode: once(child, 'close').then(() => child.exitCode),
  };
}

export async function runRstow(args: readonly string[], env: Record<string, string> = {}): Promise<Ended> {
  const rstow = spawnRstow(args, env);
  const exitCode = await rstow.exitCode;
  return { exitCode, stdout: rstow.stdout(), stderr: rstow.stderr() };
}
