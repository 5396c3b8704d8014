import { connect } from 'node:net';
import type { ProcessIdentity } from '../process/proc.ts';

/** What the holder of a mutex says of itself. `since` is an ISO time. */
export type MutexHolder = ProcessIdentity & { readonly since: string; readonly what: string };

/** `silent`: somebody listens and says nothing. `gone`: nobody listens any more, or it hung up on us. */
export type HolderAnswer = { kind: 'holder'; holder: MutexHolder } | { kind: 'foreign' } | { kind: 'silent' } | { kind: 'gone' };

const answerBytesMax = 4_096;

/**
 * Many short waits, not a long one: if it was WE who stood still (stopped, starved, the whole machine asleep),
 * only one of them is over when we wake, and an answer that came meanwhile is read before the others are.
 */
const answerSlices = 10;

/** Asks who listens on an abstract socket. */
export function askHolder(socketName: string, answerTimeoutMs: number): Promise<HolderAnswer> {
  return new Promise((resolve) => {
    const socket = connect(socketName).setEncoding('utf8');
    let text = '';
    let slicesLeft = answerSlices;
    const timer = setInterval(() => {
      slicesLeft -= 1;
      if (slicesLeft === 0) settle({ kind: 'silent' });
    }, answerTimeoutMs / answerSlices);
    const settle = (answer: HolderAnswer): void => {
      clearInterval(timer);
      socket.destroy();
      resolve(answer);
    };
    socket.on('data', (chunk: string) => {
      text += chunk;
      if (text.includes('\n') || text.length > answerBytesMax) settle(parseAnswer(text));
    });
    socket.on('end', () => settle({ kind: 'gone' }));
    socket.on('error', ({ code }: NodeJS.ErrnoException) => {
      // EAGAIN: so many wait to be accepted that the queue is full. That is silence, and takes its time.
      if (code !== 'EAGAIN') settle({ kind: 'gone' });
    });
  });
}

function parseAnswer(text: string): HolderAnswer {
  try {
    const { pid, startTicks, since, what } = JSON.parse(text) as Record<string, unknown>;
    if (typeof pid !== 'number' || typeof startTicks !== 'number') return { kind: 'foreign' };
    if (typeof since !== 'string' || typeof what !== 'string') return { kind: 'foreign' };
    return { kind: 'holder', holder: { pid, startTicks, since, what } };
  } catch {
    return { kind: 'foreign' };
  }
}
