import type { Finding, Severity } from '../protection/finding.ts';

/** Who can say whether it is still so: as long as one can't be asked, nothing of what it has said is over. */
export const SOURCES = ['look', 'host', 'restart', 'repository', 'temporal', 'schedules', 'event', 'once'] as const;
export type Source = (typeof SOURCES)[number];

/** No look sees it again: an `event` is said again as long as it lasts, and what happens `once` is never over, but told and done with. */
export type EventSource = Extract<Source, 'event' | 'once'>;

/** What is wrong with a database, from the first look that found it to the end. Times are Unix ms. */
export type Incident = {
  database: string;
  code: string;
  /** Of what, if one code can be of several things; else empty. */
  subject: string;
  source: Source;
  severity: Exclude<Severity, 'ok'>;
  sentence: string;
  hint?: string | undefined;
  sinceMs: number;
  /** When people were told of it last; null if they weren't yet. */
  notifiedAtMs: number | null;
  /** Looks in a row that have found it, up to what is needed. */
  looksFound: number;
  /** Looks in a row that have not. */
  looksMissed: number;
  /** Of an event, which no look sees again: how long it counts. */
  untilMs?: number | undefined;
};

/** `worse`: it was a warning, and is critical now. `still`: said again after a while. */
export type ChangeKind = 'new' | 'worse' | 'still' | 'resolved';

export type Change = Pick<Incident, 'code' | 'subject' | 'severity' | 'sentence' | 'hint' | 'sinceMs'> & { kind: ChangeKind };

export type Found = Finding & { subject?: string | undefined };

export type Look = {
  database: string;
  nowMs: number;
  /** What each source says that could be asked; what is well may be among it. */
  found: Partial<Record<Exclude<Source, EventSource>, readonly Found[] | undefined>>;
  /** How long until an incident that is open is said again; 0: never. */
  repeatMs: number;
};

export type Looked = { incidents: Incident[]; /** The heaviest first. */ changes: Change[] };

/** So many looks in a row have to find nothing until it is over. */
const LOOKS_UNTIL_RESOLVED = 2;

/** What can't be asked once may be a hiccup; what is known to be wrong is said at once. */
const LOOKS_UNTIL_UNKNOWN = 2;

/** What a look makes of the incidents that are open, and what people have to be told of it. */
export function afterLook(open: readonly Incident[], look: Look): Looked {
  const { nowMs, repeatMs } = look;
  const found = foundByKey(look);
  const known = new Set(open.map(keyOf));
  const added = [...found].filter(([key]) => !known.has(key)).map(([, first]) => first);
  const seen = open.map((incident) => seenAgain(incident, found.get(keyOf(incident)), look));
  const changes: Change[] = [];
  const incidents: Incident[] = [];
  for (const incident of [...seen, ...added]) {
    const kind = changeOf(incident, { before: open.find((other) => keyOf(other) === keyOf(incident)), nowMs, repeatMs });
    if (kind !== undefined) changes.push(changeFrom(incident, kind));
    if (isOver(incident)) continue;
    incidents.push(kind === undefined ? incident : { ...incident, notifiedAtMs: nowMs });
  }
  return { incidents, changes: byWeight(changes) };
}

/** What happened, as an agent says it: it is an incident until `untilMs`. Twice: the later one counts. */
export function afterEvent(
  open: readonly Incident[],
  event: Omit<Incident, 'source' | 'looksFound' | 'looksMissed' | 'notifiedAtMs'> & { source: EventSource },
): Incident[] {
  const key = keyOf(event);
  const before = open.find((incident) => keyOf(incident) === key);
  if (before === undefined) return [...open, { ...event, looksFound: LOOKS_UNTIL_UNKNOWN, looksMissed: 0, notifiedAtMs: null }];
  return open.map((incident) =>
    incident === before ? { ...before, sentence: event.sentence, looksMissed: 0, untilMs: event.untilMs } : incident,
  );
}

/** Whether somebody has to look after the database: of what can't be asked nobody knows. */
export function isGrave({ severity }: Incident): boolean {
  return severity !== 'warning';
}

const isEvent = (source: Source): source is EventSource => source === 'event' || source === 'once';

function keyOf({ database, code, subject }: Pick<Incident, 'database' | 'code' | 'subject'>): string {
  return JSON.stringify([database, code, subject]);
}

function foundByKey({ database, nowMs, found }: Look): Map<string, Incident> {
  const incidents = new Map<string, Incident>();
  for (const source of SOURCES) {
    for (const { code, severity, sentence, hint, subject = '' } of isEvent(source) ? [] : (found[source] ?? [])) {
      if (severity === 'ok') continue;
      const incident: Incident = {
        ...{ database, code, subject, source, severity, sentence, hint },
        ...{ sinceMs: nowMs, notifiedAtMs: null, looksFound: 1, looksMissed: 0 },
      };
      const before = incidents.get(keyOf(incident));
      if (before === undefined || weight(severity) > weight(before.severity)) incidents.set(keyOf(incident), incident);
    }
  }
  return incidents;
}

function seenAgain(incident: Incident, found: Incident | undefined, { found: asked, nowMs }: Look): Incident {
  if (found !== undefined) {
    const { source, severity, sentence, hint } = found;
    const looksFound = Math.min(LOOKS_UNTIL_UNKNOWN, incident.looksFound + 1);
    return { ...incident, source, severity, sentence, hint, looksFound, looksMissed: 0, untilMs: undefined };
  }
  const { source, untilMs = 0 } = incident;
  const isOpen = isEvent(source) ? nowMs < untilMs : asked[source] === undefined;
  return isOpen ? incident : { ...incident, looksMissed: incident.looksMissed + 1, looksFound: 0 };
}

type Before = { before: Incident | undefined; nowMs: number; repeatMs: number };

function changeOf(incident: Incident, { before, nowMs, repeatMs }: Before): ChangeKind | undefined {
  const { notifiedAtMs, source, severity, looksFound, looksMissed } = incident;
  if (notifiedAtMs === null) {
    if (looksMissed > 0) return undefined;
    return severity === 'unknown' && looksFound < LOOKS_UNTIL_UNKNOWN ? undefined : 'new';
  }
  if (source === 'once') return undefined;
  if (isOver(incident)) return 'resolved';
  if (before !== undefined && severity === 'critical' && before.severity !== 'critical') return 'worse';
  return repeatMs > 0 && looksMissed === 0 && nowMs - notifiedAtMs >= repeatMs ? 'still' : undefined;
}

/** One that nobody was told of is forgotten at once. */
function isOver({ looksMissed, notifiedAtMs }: Incident): boolean {
  return looksMissed >= (notifiedAtMs === null ? 1 : LOOKS_UNTIL_RESOLVED);
}

function changeFrom({ code, subject, severity, sentence, hint, sinceMs }: Incident, kind: ChangeKind): Change {
  return { kind, code, subject, severity, sentence, hint: kind === 'resolved' ? undefined : hint, sinceMs };
}

function byWeight(changes: readonly Change[]): Change[] {
  return changes.toSorted((one, other) => order(other) - order(one));
}

/** What is over comes last. */
function order({ kind, severity }: Change): number {
  return kind === 'resolved' ? -1 : weight(severity);
}

const WEIGHTS: Readonly<Record<Severity, number>> = { ok: 0, warning: 1, unknown: 2, critical: 3 };

function weight(severity: Severity): number {
  return WEIGHTS[severity];
}
