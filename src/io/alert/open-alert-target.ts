import type { AlertTargetConfig } from '../../config/alerts.ts';
import { unreachable } from '../../core/errors/rstow-error.ts';
import type { AlertTarget } from './alert-target.ts';
import { commandTarget } from './command-target.ts';
import { emailTarget } from './email-target.ts';
import { webhookTarget } from './webhook-target.ts';

/** Touches nothing until something is sent. */
export function openAlertTarget(settings: AlertTargetConfig): AlertTarget {
  switch (settings.kind) {
    case 'webhook':
      return webhookTarget(settings);
    case 'email':
      return emailTarget(settings);
    case 'command':
      return commandTarget(settings);
    default:
      return unreachable(settings);
  }
}
