import { RstowError } from '../../../core/errors/rstow-error.ts';

/** Bounds what one repository that hangs can take from the others: time, and threads of the process. */
export type CallBounds = {
  /** How long one call may take. A sync takes longer on a busy disk: it may take four times as long. */
  answerMs: number;
  /** Calls at once, those included that will never be answered: each of them keeps a thread. */
  callsMax: number;
  /** So many unanswered calls, and further ones fail at once. */
  unansweredMax: number;
  /** So long after the last unanswered call, one more is let through to see. */
  retryMs: number;
};

export type CallGate = {
  /** Fails: repository-unavailable, where the call is not answered in time or would only join others that hang. */
  call<T>(doing: string, action: () => Promise<T>, options?: CallOptions<T>): Promise<T>;
  /** Calls that outlived their time and are still not answered. */
  unanswered(): number;
};

type CallOptions<T> = {
  /** How many times as long as others it may take. */
  slowness?: number;
  /** Lets the caller go; the call keeps its place until it ends. */
  signal?: AbortSignal | undefined;
  /** Takes what the call gives after its caller has been let go: nobody else would close it. */
  release?: (result: T) => unknown;
};

/** A call that waits for a disk to write. */
export const SYNC = { slowness: 4 };

export function createCallGate(description: string, bounds: CallBounds): CallGate {
  const { answerMs } = bounds;
  const places = createPlaces(bounds);
  const silent = (doing: string, silentMs = answerMs): RstowError =>
    new RstowError('repository-unavailable', `${description} hangs: it did not answer for ${silentMs / 1000} s (could not ${doing})`, {
      details: { doing },
    });
  return {
    unanswered: () => places.unanswered,
    call: async (doing, action, { slowness = 1, signal, release } = {}) => {
      signal?.throwIfAborted();
      if (places.wouldOnlyHang()) throw silent(doing);
      const enter = { limitMs: answerMs, signal, late: () => silent(doing), release: places.leave };
      await unlessLate(places.enter(), enter);
      // The call itself may outlive its time: its place is free again only when it has ended.
      const ended = Promise.resolve().then(action).finally(places.leave);
      const limitMs = slowness * answerMs;
      return unlessLate(ended, { limitMs, signal, release, late: () => silent(doing, limitMs), onLate: places.countUnanswered });
    },
  };
}

type Places = {
  unanswered: number;
  wouldOnlyHang(): boolean;
  enter(): Promise<void>;
  leave: () => void;
  countUnanswered: (call: Promise<unknown>) => void;
};

/** Who is in, who waits, and how many of those who are in will perhaps never leave. */
function createPlaces({ callsMax, unansweredMax, retryMs }: CallBounds): Places {
  const waiting: (() => void)[] = [];
  let inFlight = 0;
  let lastUnansweredMs = -Infinity;
  const places: Places = {
    unanswered: 0,
    wouldOnlyHang: () => {
      if (places.unanswered < unansweredMax) return false;
      const isTrialDue = places.unanswered < callsMax && performance.now() - lastUnansweredMs > retryMs;
      if (isTrialDue) lastUnansweredMs = performance.now();
      return !isTrialDue;
    },
    enter: async () => {
      while (inFlight >= callsMax) await new Promise<void>((resolve) => waiting.push(resolve));
      inFlight += 1;
    },
    leave: () => {
      inFlight -= 1;
      waiting.shift()?.();
    },
    countUnanswered: (call) => {
      places.unanswered += 1;
      lastUnansweredMs = performance.now();
      const answered = (): void => void (places.unanswered -= 1);
      void call.then(answered, answered);
    },
  };
  return places;
}

type Limit<T> = {
  limitMs: number;
  signal: AbortSignal | undefined;
  late: () => RstowError;
  /** Also if the caller has been let go by the signal: the work may hang all the same. */
  onLate?: (work: Promise<T>) => void;
  release: ((result: T) => unknown) | undefined;
};

async function unlessLate<T>(work: Promise<T>, { limitMs, signal, late, onLate, release }: Limit<T>): Promise<T> {
  const { promise: over, reject } = Promise.withResolvers<never>();
  let isAwaited = true;
  const letGo = (reason: Error): void => {
    if (isAwaited) work.then(release).catch(() => undefined);
    isAwaited = false;
    reject(reason);
  };
  const timer = setTimeout(() => {
    onLate?.(work);
    letGo(late());
  }, limitMs);
  const ended = (): void => clearTimeout(timer);
  work.then(ended, ended);
  const onAbort = (): void => letGo(signal?.reason as Error);
  signal?.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([work, over]);
  } finally {
    signal?.removeEventListener('abort', onAbort);
  }
}
