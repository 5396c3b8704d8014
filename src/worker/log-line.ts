const LEVELS: Record<number, string> = { 10: 'trace', 20: 'debug', 30: 'info', 40: 'warning', 50: 'error', 60: 'fatal' };

/** Said by the line itself. */
const SAID = ['level', 'time', 'msg', 'err', 'error'];

/** One JSON line of the log as a person reads it: `02:15:31 warning  waiting for Temporal: why (address 127.0.0.1:7233)`. */
export function personLine(json: string): string {
  const entry = JSON.parse(json) as Record<string, unknown> & { level?: number; time?: string; msg?: string };
  const time = /T([0-9:]{8})/.exec(entry.time ?? '')?.[1] ?? '';
  const level = LEVELS[entry.level ?? 30] ?? '';
  const reason = [entry['err'], entry['error']].map(messageOf).find((message) => message !== undefined);
  const facts = Object.entries(entry).filter(([name, value]) => !SAID.includes(name) && value !== null && value !== '');
  const told = facts.map(([name, value]) => `${name} ${typeof value === 'string' ? value : JSON.stringify(value)}`).join(', ');
  const sentence = reason === undefined ? (entry.msg ?? '') : `${entry.msg ?? ''}: ${reason}`;
  return `${time} ${level.padEnd(7)}  ${sentence}${told === '' ? '' : ` (${told})`}\n`;
}

function messageOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('message' in error)) return undefined;
  return typeof error.message === 'string' && error.message !== '' ? error.message : undefined;
}
