import { expect, it } from 'vitest';
import type { Notice } from '../../src/core/alerts/notice.ts';
import type { AlertTarget } from '../../src/io/alert/alert-target.ts';

export type OpenedTarget = {
  target: AlertTarget;
  /** What has arrived, as text. */
  got: () => Promise<string[]>;
  /** Nobody takes anything. */
  broken: AlertTarget;
  /** Somebody is there and says no. */
  refused: AlertTarget;
  /** Somebody is there who never answers. */
  silent: AlertTarget;
};

export const NOTICE: Notice = {
  id: '5c1f6d0e-7a64-4c53-9f1c-2a5e2a4b8f10',
  agent: 'db1',
  database: 'orders',
  atMs: Date.UTC(2026, 10, 30),
  changes: [
    {
      kind: 'new',
      code: 'backup-too-old',
      subject: '',
      severity: 'critical',
      sentence: 'the newest backup is too old',
      hint: '`rstow backup orders`',
      sinceMs: Date.UTC(2026, 10, 30),
    },
  ],
};

const never = new AbortController().signal;

/** What each kind of target must do, with a real one behind it. */
export function describeAlertTarget(open: () => Promise<OpenedTarget>): void {
  it('delivers what is wrong, of which database, and what to do about it', async () => {
    const { target, got } = await open();
    await target.send(NOTICE, never);
    const [first = '', ...others] = await got();
    expect(others).toEqual([]);
    for (const part of ['orders CRITICAL: backup-too-old', 'the newest backup is too old', 'rstow backup orders', NOTICE.id]) {
      expect(first).toContain(part);
    }
  });

  it('fails with a code if nobody takes it, if it is refused, and if nobody answers in time', async () => {
    const { broken, refused, silent } = await open();
    for (const target of [broken, refused, silent]) {
      await expect(target.send(NOTICE, never)).rejects.toMatchObject({ code: 'alert-not-delivered' });
    }
  });

  it('ends at once if the agent does', async () => {
    const { silent } = await open();
    const ending = new AbortController();
    const sent = silent.send(NOTICE, ending.signal);
    ending.abort(new Error('ending'));
    await expect(sent).rejects.toThrow('ending');
  });
}
