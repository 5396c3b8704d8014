/** What a program that has nothing left to do may take to end. */
const END_MS = 3_000;

/**
 * Ends the process with this code when its work is done. A call that hangs in the system, such as on a network disk that
 * is away, would keep it alive for ever, `process.exit` included: it waits for its threads.
 */
export function endThoughCallsHang(exitCode: number): void {
  process.exitCode = exitCode;
  const replaceProcess = (): void => {
    process.execve?.('/bin/sh', ['sh', '-c', `exit ${exitCode}`], {});
    process.kill(process.pid, 'SIGKILL');
  };
  setTimeout(replaceProcess, END_MS).unref();
}
