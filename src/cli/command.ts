import type { Command } from 'commander';
import type { Workflows, WorkflowType } from '../contract/workflow-types.ts';
import type { ResultLines } from './output.ts';

/** One command of `rstow`: a file in commands/ and a line in command-list.ts. */
export type CliCommand = {
  name: string;
  description: string;
  /** Of a command that starts runs; `rstow watch` prints their results in the same way. */
  runs?: readonly { type: WorkflowType; resultLines: ResultLines<never> }[];
  /** Adds arguments, options and the action. Only the action may load what is slow: help needs everything else. */
  define: (command: Command, cli: Cli) => void;
};

/** What a command is handed. */
export type Cli = {
  settings: HostSettings;
  /** Takes the exit code of the one command that runs; 0 unless it is called. */
  exit: (exitCode: number) => void;
  /** Undefined for a type that no command starts. */
  resultLines: (type: string) => ResultLines<never> | undefined;
};

/** What the environment says, read by the main alone. */
export type HostSettings = {
  /** RSTOW_CONFIG, else the first that is there of /etc/rstow and the default state directory. */
  configFile: string | undefined;
  /** Where `rstow up` keeps its state if nothing else is said. */
  stateDir: string;
  workflowBundlePath: string | undefined;
  searchPath: string;
  /** Whether systemd waits for a message that the unit is ready. */
  isNotifying: boolean;
};

/** The workflow type that a command starts, and how its result is printed. */
export type RunKind<T extends WorkflowType> = {
  type: T;
  /** Nobody waits for it long: it fails at once if no agent is there, and ends after two minutes. */
  isQuery: boolean;
  /** Of a query that takes longer than two minutes. */
  answerMs?: number;
  /** All requests are one run, for which others may be waiting as well. */
  isShared?: boolean;
  resultLines: ResultLines<Workflows[T]['result']>;
};
