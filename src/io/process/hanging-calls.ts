/**
 * Imported first, by each program: libuv makes its threads at their first use. A call that hangs, such as on a network disk
 * that is away, keeps its thread; with the four of the default, four such calls stop everything that reads a file.
 */
process.env['UV_THREADPOOL_SIZE'] ??= '64';

// bin/rstow sets it for this process alone: a server that this one starts keeps the heaps that it would have.
if (process.env['RSTOW_ARENAS'] === 'own') {
  delete process.env['RSTOW_ARENAS'];
  delete process.env['MALLOC_ARENA_MAX'];
}

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
