import type { DescribeDatabaseResult, MarkedPoint, RepositoryCopy } from '../contract/describe-database.ts';
import type { ArchiveReach, DrawnTimeline, LogSpan, RecoveryWindow } from '../core/recovery/recovery-window.ts';
import { ageText, countText, durationText, timeText, whenText } from './figures.ts';
import type { Fact } from './output.ts';

/** So many lines are given to the timelines: two each. */
const TIMELINES_DRAWN_MAX = 6;
const MARKS_SHOWN_MAX = 5;
const HOLES_SHOWN_MAX = 3;

type History = Pick<DescribeDatabaseResult, 'window' | 'history' | 'timelines' | 'marks' | 'marked' | 'copies' | 'latest'>;

/** What can be recovered: the window, the timelines as a graph, the marks, and what each repository has. */
export function historyFacts({ window, history, timelines, marks, marked, copies }: History, nowMs = Date.now()): Fact[] {
  return [
    ...(window === null ? [] : windowFacts(window, nowMs)),
    ...column('timelines', timelineLines(history, timelines, nowMs)),
    ...column('marks', markLines(marked, marks, nowMs)),
    ...column(
      'copies',
      copies.map((copy) => copyText(copy, nowMs)),
    ),
  ];
}

/** The name stands before the first line only. */
function column(name: string, lines: readonly string[]): Fact[] {
  return lines.map((line, index) => [index === 0 ? name : '', line]);
}

function windowFacts({ offsets, times, holes, lost, archive }: RecoveryWindow, nowMs: number): Fact[] {
  return [
    ['any point', offsets === null ? 'none: the beginning of the log is missing' : `offsets ${spanText(offsets)}`],
    ['', times === null ? 'no time is known yet' : `times ${timeText(times.sinceMs)} to ${whenText(times.untilMs, nowMs)}`],
    ['archived', archive === null ? undefined : archiveText(archive, nowMs)],
    ...column(
      'missing',
      atMost(
        HOLES_SHOWN_MAX,
        holes.map((hole) => `offsets ${spanText(hole)}`),
      ),
    ),
    ['out of reach', lost === null ? undefined : `offsets ${spanText(lost)}: what is missing would be needed first`],
  ];
}

function archiveText({ seenMs, stepMs }: ArchiveReach, nowMs: number): string {
  const looks = stepMs === null ? '' : `looks ${durationText(stepMs)} apart; `;
  return `${looks}last new records ${whenText(seenMs, nowMs)}`;
}

/** The first lines, and how many more there are. */
function atMost(max: number, lines: readonly string[], total = lines.length): string[] {
  const shown = lines.slice(0, max);
  return total > shown.length ? [...shown, `and ${countText(total - shown.length)} more`] : shown;
}

function spanText({ from, to }: LogSpan): string {
  return `${from} to ${to}`;
}

function timelineLines(history: readonly DrawnTimeline[], total: number, nowMs: number): string[] {
  const drawn = history.slice(0, TIMELINES_DRAWN_MAX);
  const graph = timelineGraph(drawn);
  const lines = drawn.flatMap((timeline, index) => {
    const [head = '', rest = ''] = graph[index] ?? [];
    const origin = originText(timeline);
    const first = `${head}${timeline.timeline}  ${STANDINGS[timeline.standing]}${storedText(timeline, nowMs)}`;
    return origin === undefined ? [first] : [first, `${rest}${origin}`];
  });
  return total > drawn.length ? [...lines, `and ${countText(total - drawn.length)} older`] : lines;
}

const STANDINGS: Record<DrawnTimeline['standing'], string> = { inUse: 'in use, ', before: '', left: 'left, ', imported: 'imported, ' };

function storedText({ end, writtenAtMs }: DrawnTimeline, nowMs: number): string {
  if (writtenAtMs === null) return 'no backup yet';
  return `to ${end}, ${ageText(writtenAtMs, nowMs)}`;
}

function originText({ parent }: DrawnTimeline): string | undefined {
  return parent === null ? undefined : `      from ${parent.timeline} at ${parent.at}`;
}

/**
 * For each timeline, the newest first, what stands before its first line and before its second one: a column leads down from each to the
 * one that it was begun from.
 */
export function timelineGraph(history: readonly Pick<DrawnTimeline, 'timeline' | 'parent'>[]): [head: string, rest: string][] {
  const columns: (string | undefined)[] = [];
  const rows = history.map(({ timeline, parent }): [string, string] => {
    if (!columns.includes(timeline)) columns.push(timeline);
    const own = columns.indexOf(timeline);
    const last = columns.lastIndexOf(timeline);
    const head = columns.map((waiting, at) => headMark({ waiting, at }, { timeline, own, last }));
    for (const [at, waiting] of columns.entries()) if (waiting === timeline) columns[at] = at === own ? parent?.timeline : undefined;
    while (columns.length > 0 && columns.at(-1) === undefined) columns.pop();
    const rest = columns.map((waiting) => (waiting === undefined ? '  ' : '│ '));
    return [head.join(''), rest.join('')];
  });
  const width = Math.max(0, ...rows.flat().map((text) => text.length));
  return rows.map(([head, rest]) => [head.padEnd(width).slice(0, width), rest.padEnd(width)]);
}

type Lane = { waiting: string | undefined; at: number };
type Node = { timeline: string; own: number; last: number };

/** Lanes of children that join here lead to the left. */
function headMark({ waiting, at }: Lane, { timeline, own, last }: Node): string {
  const isCrossed = at > own && at < last;
  const tail = at >= own && at < last ? '─' : ' ';
  if (at === own) return `●${tail}`;
  if (waiting === timeline) return `${at === last ? '┘' : '┴'}${tail}`;
  if (waiting === undefined) return isCrossed ? '──' : '  ';
  return isCrossed ? `┼${tail}` : '│ ';
}

function markLines(marked: readonly MarkedPoint[], total: number, nowMs: number): string[] {
  const lines = marked.map(({ name, label, atMs }) => `${name}: ${label} (${ageText(atMs, nowMs)})`);
  return atMost(MARKS_SHOWN_MAX, lines, total);
}

function copyText({ repository, newest, failure }: RepositoryCopy, nowMs: number): string {
  if (failure !== undefined) return `${repository}: ${failure.code}: ${failure.sentence}`;
  if (newest === null || newest === undefined) return `${repository}: no backup`;
  const { label, createdAtMs, verified, failedAtMs } = newest;
  const checked = failedAtMs !== undefined ? ', FAILED its last check' : verified === undefined ? '' : `, verified: ${verified.level}`;
  return `${repository}: ${label} (${ageText(createdAtMs, nowMs)})${checked}`;
}
