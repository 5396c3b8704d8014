import type { AlertTargetConfig } from '../../config/alerts.ts';
import { noticeJson } from '../../core/alerts/notice.ts';
import type { AlertTarget } from './alert-target.ts';
import { callUrl } from './call-url.ts';

type WebhookSettings = Extract<AlertTargetConfig, { kind: 'webhook' }>;

/** Posts JSON, whose `text` chat services show. */
export function webhookTarget(settings: WebhookSettings): AlertTarget {
  const { timeoutMs } = settings;
  return {
    send: async (notice, signal) => {
      await callUrl({ settings, timeoutMs, signal, json: noticeJson(notice) });
      return undefined;
    },
  };
}
