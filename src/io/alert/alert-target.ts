import type { Notice } from '../../core/alerts/notice.ts';

/** Somebody who is told what is wrong. */
export type AlertTarget = {
  /**
   * Returns once the notice was taken: by all that it is for, or with a sentence that says by whom it was not, for to send it again would tell
   * the others twice. Fails within the target's time: alert-not-delivered; invalid-config, if its secret can't be read; the signal's reason
   * after an abort. No secret enters a failure. Twice: it is told twice, with the same id.
   */
  send(notice: Notice, signal: AbortSignal): Promise<string | undefined>;
};
