import { countedText, timeText } from '../text/figures.ts';
import type { Change, ChangeKind } from './incident.ts';

/** What people are told at one time about one database. Times are Unix ms. */
export type Notice = {
  /** The same each time that it is sent: whoever gets it twice can tell. */
  id: string;
  agent: string;
  database: string;
  atMs: number;
  /** The heaviest first; none in a test. */
  changes: Change[];
};

const WORDS: Readonly<Record<ChangeKind, string>> = { new: '', worse: 'worse: ', still: 'still: ', resolved: 'RESOLVED ' };

/** One line. */
export function noticeTitle({ agent, database, changes }: Notice): string {
  const [first] = changes;
  if (first === undefined) return `rstow: test from agent ${agent}`;
  const more = changes.length === 1 ? '' : ` and ${countedText(changes.length - 1, 'other')}`;
  const state = first.kind === 'resolved' ? 'RESOLVED' : first.severity.toUpperCase();
  return `rstow: ${database} ${state}: ${first.code}${more}`;
}

/** The title, and a line for each change with what to do about it. */
export function noticeText(notice: Notice): string {
  const { changes, agent, atMs } = notice;
  const lines = changes.length === 0 ? ['This is a test. Alerts of this agent come here.'] : changes.flatMap(changeLines);
  return [noticeTitle(notice), ...lines, `(agent ${agent}, ${timeText(atMs)})`].join('\n');
}

function changeLines({ kind, code, severity, sentence, hint, sinceMs }: Change): string[] {
  const since = kind === 'new' ? '' : ` (since ${timeText(sinceMs)})`;
  const head = kind === 'resolved' ? `${WORDS.resolved}${code}: it was: ` : `${severity.toUpperCase()} ${WORDS[kind]}${code}: `;
  return [`${head}${sentence}${since}`, ...(hint === undefined ? [] : [`  what to do: ${hint}`])];
}

/** What programs get: the text that chat services show, and the same in parts. */
export function noticeJson(notice: Notice): object {
  const { id, agent, database, atMs, changes } = notice;
  const kind = changes.length === 0 ? 'test' : changes.some((change) => change.kind !== 'resolved') ? 'problem' : 'resolved';
  return { text: noticeText(notice), title: noticeTitle(notice), kind, id, agent, database, at: new Date(atMs).toISOString(), changes };
}
