import type { Writable } from 'node:stream';

/** Of a program whose reader has had enough, as a shell reports it: 128 and the number of SIGPIPE. */
const NO_READER = 141;

/**
 * Ends the process silently when nobody reads its output any more, such as after `| head -1`. One that cleans up on
 * SIGTERM, such as `rstow up`, gets that signal.
 */
export function endQuietlyWithoutReader(...streams: Writable[]): void {
  let isSignalled = false;
  for (const stream of streams) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error;
      if (process.listenerCount('SIGTERM') === 0 && !isSignalled) process.exit(NO_READER);
      if (!isSignalled) process.kill(process.pid, 'SIGTERM');
      isSignalled = true;
    });
  }
}
