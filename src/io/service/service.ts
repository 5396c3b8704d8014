/** The database server's process, as whoever manages it on this host sees it. */
export type Service = {
  readonly kind: 'process' | 'container' | 'commands' | 'none';

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
