import { onlyFor, withoutDelivered } from '../../core/alerts/outbox.ts';
import type { AlertState } from '../../formats/alerts.ts';
import { readAlertState, writeAlertState } from '../../io/agent-state/alert-state.ts';

/** What is wrong with one database and who was told, as the state directory keeps it. */
export type AlertRecord = {
  /** Reads what an earlier agent has kept, once. */
  readonly load: () => Promise<void>;
  readonly state: () => AlertState;
  /** Durable when it returns; one change at a time. */
  readonly change: (to: (state: AlertState) => AlertState) => Promise<void>;
  readonly delivered: (notice: { id: string }, target: string) => Promise<void>;
};

export function createAlertRecord(id: { stateDir: string; database: string }, targets: readonly string[]): AlertRecord {
  let state: AlertState = { format: 1, incidents: [], outbox: [] };
  let written = JSON.stringify(state);
  let last: Promise<void> = Promise.resolve();
  const write = async (): Promise<void> => {
    const text = JSON.stringify(state);
    if (text === written) return;
    await writeAlertState(id, state);
    written = text;
  };
  const change = async (to: (before: AlertState) => AlertState): Promise<void> => {
    state = to(state);
    last = last.catch(() => undefined).then(write);
    await last;
  };
  let loaded: Promise<void> | undefined;
  const load = async (): Promise<void> => {
    const before = await readAlertState(id);
    state = { ...before, outbox: onlyFor(before.outbox, targets) };
    written = JSON.stringify(before);
  };
  return {
    load: () => (loaded ??= load()),
    state: () => state,
    change,
    delivered: (notice, target) => change((before) => ({ ...before, outbox: withoutDelivered(before.outbox, { id: notice.id, target }) })),
  };
}
