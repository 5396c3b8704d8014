import { countedText } from '../core/text/figures.ts';
import type { CheckDatabaseResult } from '../contract/check-database.ts';
import type { Finding, Severity } from '../core/protection/finding.ts';

/** What a monitoring program takes a plugin's exit code for. @see Nagios plugin API */
export const NAGIOS_EXIT_CODES: Readonly<Record<Severity, number>> = { ok: 0, warning: 1, critical: 2, unknown: 3 };

/** `RSTOW CRITICAL - orders: restart-loses: a restart now would …; 1 more | 'walBytes'=123B`: one line, whatever is in it. */
export function nagiosLine({ database, severity, findings }: Pick<CheckDatabaseResult, 'database' | 'severity' | 'findings'>): string {
  const bad = findings.filter((finding) => finding.severity !== 'ok');
  const [first] = bad;
  const more = bad.length > 1 ? `; and ${bad.length - 1} more (${[...new Set(bad.slice(1).map(({ code }) => code))].join(', ')})` : '';
  const text = first === undefined ? `${countedText(findings.length, 'check')} held` : `${first.code}: ${first.sentence}${more}`;
  const data = performanceData(findings);
  return `RSTOW ${severity.toUpperCase()} - ${oneLine(`${database}: ${text}`)}${data === '' ? '' : ` | ${data}`}`;
}

/** For what keeps a check from being made. */
export function nagiosFailure(database: string, { code, sentence }: { code: string; sentence: string }): string {
  return `RSTOW UNKNOWN - ${oneLine(`${database}: ${code}: ${sentence}`)}`;
}

/** A bar begins the figures. */
function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, ' ').replaceAll('|', '/');
}

function performanceData(findings: readonly Finding[]): string {
  const figures = new Map(findings.flatMap((finding) => Object.entries(finding.figures ?? {})));
  return [...figures].map(([name, value]) => figureText(name, value)).join(' ');
}

function figureText(name: string, value: number): string {
  if (name.endsWith('Ms')) return `'${name.slice(0, -2)}'=${value / 1000}s`;
  return name.endsWith('Bytes') ? `'${name}'=${value}B` : `'${name}'=${value}`;
}
