import type { ProcessEntry } from '../process/proc.ts';

/** What starts a server: one argv without a shell, the variables that it is given beside our own, and where it is started. */
export type ServerProgram = {
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd?: string | undefined;
};

/**
 * The database server's process, as whoever manages it on this host sees it. What one way to manage a server can and
 * another can't is a property: nobody asks which way it is.
 */
export type Service = {
  /** Whether rstow may start, stop and ask for the server; where it may not, these fail with service-unmanaged. */
  readonly isManaged: boolean;

  /** How long the server may take from SIGINT, on which it syncs its log, to SIGKILL; also one that somebody else has started on its data. */
  readonly stopGraceMs: number;

  /** What it starts, so that a second server can be started beside it; undefined where only others know. */
  readonly program: ServerProgram | undefined;

  /** The file that the server's output is appended to, where nobody but rstow bounds it. */
  readonly logFile: string | undefined;

  /** The server's processes on this host; undefined if the process table doesn't show which they are. */
  readonly processes: (() => Promise<ProcessEntry[]>) | undefined;

  /**
   * From now on the server's manager starts it for nobody while that file is there and has something in it: not by a restart
   * policy, and not because a person says so. A server that runs goes on; whoever removes the file, alive or not by then,
   * lets it be started again, and nothing else is to be undone. Undefined where nothing but rstow starts the server, or where
   * this can't be had: the data directory's own block ends each start then. Fails: service-stop-failed. Twice: no-op.
   */
  readonly refuseStartsWhile: ((blockFile: string) => Promise<void>) | undefined;

  /**
   * Returns once the server was started, not once it serves: ask it, and `isRunning` whether it still lives.
   * Call it under the data directory's mutex. Fails: service-start-failed, service-unmanaged. Twice: a running server is left alone.
   */
  start(): Promise<void>;

  /** Fails: service-stop-failed, service-unmanaged. Twice: a stopped server is no failure. @see proveStopped */
  stop(): Promise<void>;

  /** Fails: `failed` when there is no saying; service-unmanaged. */
  isRunning(): Promise<boolean>;

  /** What the server said last, for an error a person reads; empty where the operator keeps the log. */
  logTail(): Promise<string>;
};

/** From SIGINT to SIGKILL, where nothing else is said. */
export const STOP_GRACE_MS = 30_000;
