import type { LogRecord } from '../core/recovery/log-record.ts';
import type { Named } from '../core/recovery/state-difference.ts';
import { countedText } from './figures.ts';

/** `PAY of 17: OPEN → PAID, record 1203 at offset 1099511628000`. */
export function recordText(record: LogRecord): string {
  return `${printable(deedText(record))}, record ${record.sequence} at offset ${record.offset}`;
}

/** Clients choose the names: none may break a line, or reach the terminal as a command. */
function printable(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Zl}\p{Zp}]/gu, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

function deedText({ type, instance = '', machine = '', version, event, fromState, toState }: LogRecord): string {
  switch (type) {
    case 'put_machine':
      return `machine ${machine}/${version ?? ''} defined`;
    case 'create_instance':
      return `${instance} created as ${machine}/${version ?? ''}: ${toState ?? ''}`;
    case 'apply_event':
      return `${event ?? ''} of ${instance}: ${fromState ?? ''} → ${toState ?? ''}`;
    case 'delete_instance':
      return `${instance} deleted`;
    case 'snapshot':
    case 'checkpoint':
      return type;
    case 'unreadable':
      return 'what no server can read';
  }
}

/** So many names a person reads; programs get more. */
const NAMES_SHOWN_MAX = 8;

/** `3 instances: a, b, c`. */
export function namedText({ count, first }: Named, noun: string): string {
  if (count === 0) return `no ${noun}`;
  const shown = first.slice(0, NAMES_SHOWN_MAX);
  return `${countedText(count, noun)}: ${printable(shown.join(', '))}${count > shown.length ? ', …' : ''}`;
}
