import { setTimeout as sleep } from 'node:timers/promises';
import { type Pending, nextFor } from '../../core/alerts/outbox.ts';
import type { Notice } from '../../core/alerts/notice.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import type { AlertTarget } from '../../io/alert/alert-target.ts';
import type { Logger } from '../telemetry/agent-logger.ts';

type DeliveryOptions = {
  targets: ReadonlyMap<string, AlertTarget>;
  outbox: () => readonly Pending[];
  /** Durable when it returns. */
  delivered: (notice: Notice, target: string) => Promise<void>;
  database: string;
  logger: Logger;
  signal: AbortSignal;
};

export type Delivery = {
  /** Sends what waits, each target by itself. Returns at once; whatever is under way goes on. */
  start(): void;
  /** Fulfils when nothing is under way any more. */
  ended(): Promise<void>;
};

const RETRY_FIRST_MS = 5_000;
const RETRY_MAX_MS = 300_000;

/** Until a notice has landed it is tried again, ever more rarely; a target that is away keeps no other from its turn. */
export function createDelivery(options: DeliveryOptions): Delivery {
  const running = new Map<string, Promise<void>>();
  return {
    start: () => {
      for (const [name, target] of options.targets) {
        if (running.has(name) || nextFor(options.outbox(), name) === undefined) continue;
        const drained = drain(name, target, options).finally(() => running.delete(name));
        running.set(name, drained);
      }
    },
    ended: async () => {
      await Promise.all(running.values());
    },
  };
}

async function drain(name: string, target: AlertTarget, { outbox, delivered, database, logger, signal }: DeliveryOptions): Promise<void> {
  let waitMs = RETRY_FIRST_MS;
  let said = '';
  for (let notice = nextFor(outbox(), name); notice !== undefined && !signal.aborted; notice = nextFor(outbox(), name)) {
    try {
      const untaken = await target.send(notice, signal);
      await delivered(notice, name).catch((error: unknown) => {
        const { code, sentence } = reasonOf(error);
        logger.error({ target: name, database, code }, `an alert is delivered, and may be once more, for that can’t be noted: ${sentence}`);
      });
      if (untaken !== undefined)
        logger.error({ target: name, database, code: 'alert-not-delivered' }, `an alert has not reached all: ${untaken}`);
      if (said !== '') logger.info({ target: name, database }, 'alerts are delivered again');
      [waitMs, said] = [RETRY_FIRST_MS, ''];
    } catch (error) {
      // eslint-disable-next-line @typescript-eslint/no-unnecessary-condition -- it may be aborted while we sent
      if (signal.aborted) return;
      const { code, sentence } = reasonOf(error);
      if (sentence !== said) logger.error({ target: name, database, code }, `an alert is not delivered, and is tried again: ${sentence}`);
      said = sentence;
      await sleep(waitMs, undefined, { signal }).catch(() => undefined);
      waitMs = Math.min(RETRY_MAX_MS, waitMs * 2);
    }
  }
}

function reasonOf(error: unknown): { code: string; sentence: string } {
  if (error instanceof RstowError) return { code: error.code, sentence: error.message };
  return { code: 'bug', sentence: String(error) };
}
