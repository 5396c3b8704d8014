/** A real agent in a process of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { endedWithUs } from './server-child.ts';

const START_TIMEOUT_MS = 60_000;
const POLL_MS = 20;
const ROOT = fileURLToPath(new URL('../..', import.meta.url));

export type AgentProcessOptions = {
  configFile: string;
  /** Of the rstow that it is; this one where absent. */
  root?: string;
  /** A prebuilt one saves each agent four seconds. */
  workflowBundlePath?: string;
  env?: Record<string, string>;
  /** What the command line begins with, such as the entry of a network namespace. */
  enter?: readonly string[];
  /** A minute where absent. */
  startTimeoutMs?: number;
  /** False: returns at once, for an agent that isn't expected to become ready. */
  waitsForReady?: boolean;
};

export type AgentProcess = {
  pid: number;
  /** Everything on stderr so far. */
  logText: () => string;
  /** Everything on stdout so far. */
  outputText: () => string;
  signal: (signal: NodeJS.Signals) => void;
  /** The exit code, or the name of the signal that it died of. */
  ended: Promise<number | NodeJS.Signals>;
  /** Signals it and waits for its end. Twice: the same answer. */
  kill: (signal?: NodeJS.Signals) => Promise<number | NodeJS.Signals>;
};

/** Starts an agent and waits until it polls every queue; throws with its log where it ends before. */
export async function startAgent(options: AgentProcessOptions): Promise<AgentProcess> {
  const agent = handleOf(spawnAgent(options));
  if (options.waitsForReady === false) return agent;
  try {
    await ready(agent, options.startTimeoutMs ?? START_TIMEOUT_MS);
    return agent;
  } catch (error) {
    await agent.kill('SIGKILL');
    throw error;
  }
}

function spawnAgent({ configFile, root = ROOT, workflowBundlePath, env, enter = [] }: AgentProcessOptions): ChildProcess {
  const bundle = workflowBundlePath === undefined ? {} : { RSTOW_WORKFLOW_BUNDLE: workflowBundlePath };
  const main = join(root, 'src/worker/agent-main.ts');
  const [command, ...args] = [...enter, process.execPath, '--disable-warning=ExperimentalWarning', main, '--config', configFile];
  const child = spawn(command, args, {
    env: { ...process.env, ...bundle, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  return endedWithUs(child);
}

function handleOf(child: ChildProcess): AgentProcess {
  const text = { stdout: '', stderr: '' };
  child.stdout?.setEncoding('utf8').on('data', (chunk: string) => (text.stdout += chunk));
  child.stderr?.setEncoding('utf8').on('data', (chunk: string) => (text.stderr += chunk));
  const ended = once(child, 'close').then(() => child.exitCode ?? child.signalCode ?? 'SIGKILL');
  return {
    pid: child.pid ?? 0,
    logText: () => text.stderr,
    outputText: () => text.stdout,
    signal: (signal) => void child.kill(signal),
    ended,
    kill: async (signal = 'SIGTERM') => {
      child.kill(signal);
      return ended;
    },
  };
}

async function ready(agent: AgentProcess, timeoutMs: number): Promise<void> {
  const deadlineMs = Date.now() + timeoutMs;
  const end: { code?: number | NodeJS.Signals } = {};
  void agent.ended.then((code) => (end.code = code));
  while (!/^agent [a-z0-9-]+ ready$/m.test(agent.outputText())) {
    if (end.code !== undefined) throw new Error(`the agent ended with ${end.code}; its log ends:\n${agent.logText().slice(-3000)}`);
    if (Date.now() > deadlineMs) throw new Error(`the agent is not ready; its log ends:\n${agent.logText().slice(-3000)}`);
    await sleep(POLL_MS);
  }
}
