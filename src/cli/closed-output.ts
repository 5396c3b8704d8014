import type { Writable } from 'node:stream';

/** Of a program whose reader has had enough, as a shell tells it: 128 and the number of SIGPIPE. */
const NO_READER = 141;

/**
 * Ends the process without a word when nobody reads what it says any more, such as after `| head -1`. One that cleans up
 * when it is told to end, such as `rstow up`, is told so.
 */
export function endQuietlyWithoutReader(...streams: Writable[]): void {
  let isTold = false;
  for (const stream of streams) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error;
      if (process.listenerCount('SIGTERM') === 0 && !isTold) process.exit(NO_READER);
      if (!isTold) process.kill(process.pid, 'SIGTERM');
      isTold = true;
    });
  }
}
