import { timeText } from '../text/figures.ts';

/** Somebody wants the backup to stay. `untilMs`: Unix ms; absent: until it is released. */
export type Hold = { label: string; reason: string; by?: string | undefined; untilMs?: number | undefined };

/** Those that have not ended by themselves. */
export function holdsInForce<Held extends Pick<Hold, 'untilMs'>>(holds: readonly Held[], nowMs: number): Held[] {
  return holds.filter(({ untilMs }) => untilMs === undefined || untilMs > nowMs);
}

/** `held until 2026-12-31 00:00:00Z by ann: the auditors want it` */
export function holdSentence({ reason, by, untilMs }: Omit<Hold, 'label'>): string {
  const until = untilMs === undefined ? '' : ` until ${timeText(untilMs)}`;
  return `held${until}${by === undefined ? '' : ` by ${by}`}: ${reason}`;
}
