import { randomUUID } from 'node:crypto';
import type { BackupWatch, EventFact, EventKind } from '../../activities/activity-deps.ts';
import type { AlertsConfig } from '../../config/alerts.ts';
import { afterEvent, afterLook, type EventSource, isGrave } from '../../core/alerts/incident.ts';
import { withNotice } from '../../core/alerts/outbox.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import type { AlertTarget } from '../../io/alert/alert-target.ts';
import { openAlertTarget } from '../../io/alert/open-alert-target.ts';
import { changesProtection, type HostDeps } from '../agent-deps.ts';
import type { Logger } from '../telemetry/agent-logger.ts';
import { type AlertRecord, createAlertRecord } from './alert-record.ts';
import { createDelivery } from './alert-delivery.ts';
import { type AlertLooks, createAlertLooks } from './alert-looks.ts';
import { startDeadMan } from './dead-man.ts';
import { type RepeatingTask, startTaskForEach } from './repeating-task.ts';
import { startRestartSurveys } from './restart-surveys.ts';

type AlertWatch = {
  host: HostDeps;
  settings: AlertsConfig;
  /** Undefined while the agent isn't connected to Temporal. */
  runs: () => BackupWatch | undefined;
  logger: Logger;
  signal: AbortSignal;
};

export type StartedAlerts = Pick<RepeatingTask, 'ended'> & { /** For the agent's events. */ heard: (fact: EventFact) => void };

type Alerting = { source: EventSource; severity: 'critical' | 'warning' };

/** What an event is an alert of. What the looks at the host find by themselves isn't among them. */
const ALERTING: Partial<Record<EventKind, Alerting>> = {
  'log-taken-out': { source: 'once', severity: 'critical' },
  'server-stale': { source: 'event', severity: 'critical' },
  'repository-rolled-back': { source: 'once', severity: 'critical' },
  'restart-uncounted': { source: 'event', severity: 'warning' },
  'archive-stalled': { source: 'event', severity: 'critical' },
  'archive-hole': { source: 'once', severity: 'critical' },
  'archive-locked': { source: 'event', severity: 'warning' },
  'repositories-apart': { source: 'event', severity: 'warning' },
  'crash-fork': { source: 'once', severity: 'warning' },
};

/** An agent says again what lasts, each half hour at least. */
const EVENT_COUNTS_MS = 3_600_000;

/** A database whose looks hang for so many of them is looked after by nobody. */
const LOOKS_MISSED_MAX = 5;
const LOOK_HANGS_MS = 60_000;

/**
 * Looks at each database that this agent owns, and tells the targets of the config what is wrong, once, and when it is over: without
 * Temporal, and as long as the agent lives. One database, or target, that hangs keeps no other from its turn.
 */
export function startAlerts({ host, settings, runs, logger, signal }: AlertWatch): StartedAlerts {
  const targets = new Map(Object.entries(settings.targets).map(([name, target]) => [name, openAlertTarget(target)]));
  const watched = new Map(
    Object.keys(host.config.databases).map((database) => {
      const looks = createAlertLooks(host, { database, lookMs: settings.lookMs, runs });
      return [database, createWatched({ host, settings, targets, looks, database, logger, signal })];
    }),
  );
  const task = startTaskForEach([...watched.values()], (database) => database.pass(), {
    ...{ what: ({ name }) => `looking for what to alert of ${name}`, intervalMs: settings.lookMs, logger, signal },
  });
  const { surveyMs } = settings;
  const isOthers = (database: string): Promise<boolean> => isForeign(host, database);
  const surveys = surveyMs === 0 ? undefined : startRestartSurveys({ host, isForeign: isOthers, intervalMs: surveyMs, logger, signal });
  const trouble = (): string | undefined => [...watched.values()].map((database) => database.trouble()).find((why) => why !== undefined);
  const deadMan = settings.deadMan && startDeadMan({ settings: settings.deadMan, trouble, logger, signal });
  return {
    heard: (fact) => {
      if (fact.database !== undefined) watched.get(fact.database)?.heard(fact);
    },
    ended: endedOf(
      [task, deadMan, surveys].filter((each) => each !== undefined),
      watched.values(),
    ),
  };
}

async function endedOf(tasks: readonly RepeatingTask[], watched: Iterable<Watched>): Promise<void> {
  await Promise.all(tasks.map(({ ended }) => ended));
  await Promise.all([...watched].map(({ ended }) => ended()));
}

type Watched = {
  readonly name: string;
  readonly pass: () => Promise<void>;
  readonly heard: (fact: EventFact) => void;
  /** Why not all is well. */
  readonly trouble: () => string | undefined;
  readonly ended: () => Promise<void>;
};

type WatchedParts = Omit<AlertWatch, 'runs'> & { targets: ReadonlyMap<string, AlertTarget>; looks: AlertLooks; database: string };

function createWatched(parts: WatchedParts): Watched {
  const { host, settings, targets, looks, database, logger, signal } = parts;
  const record = createAlertRecord({ stateDir: host.config.agent.stateDir, database }, [...targets.keys()]);
  const { delivered } = record;
  const delivery = createDelivery({ targets, outbox: () => record.state().outbox, delivered, database, logger, signal });
  const heard: EventFact[] = [];
  let lookedAtMs: number | undefined;
  return {
    name: database,
    pass: async () => {
      await record.load();
      try {
        await look(parts, { record, heard, isOthers: await isForeign(host, database) });
        lookedAtMs = performance.now();
      } finally {
        // Also what can't be written down: a disk that is full is what people must hear of.
        delivery.start();
      }
    },
    heard: (fact) => {
      if (fact.kind === 'archive-looked') looks.archived(fact['seenAtMs'] as number);
      if (changesProtection(fact)) looks.storedChanged();
      if (fact.kind === 'restart-checked') looks.restartChecked();
      if (fact.kind === 'restart-unsafe') looks.restartUnsafe(fact);
      if (ALERTING[fact.kind] !== undefined) heard.push(fact);
    },
    trouble: () => {
      const limitMs = Math.max(LOOK_HANGS_MS, LOOKS_MISSED_MAX * settings.lookMs);
      if (lookedAtMs === undefined || performance.now() - lookedAtMs > limitMs) return `nobody looks after ${database}`;
      const grave = record.state().incidents.find(isGrave);
      return grave && `${database}: ${grave.code}`;
    },
    ended: () => delivery.ended(),
  };
}

type Heard = {
  record: AlertRecord;
  /** Since the last look. */
  heard: EventFact[];
  /** Whether another installation owns the database, and tells what is wrong with it. */
  isOthers: boolean;
};

/** That this host's own server still answers, nobody else sees. */
const OF_OTHERS: string = 'server-stale' satisfies EventKind;

async function look(
  { host, settings, targets, looks, database, logger, signal }: WatchedParts,
  { record, heard, isOthers }: Heard,
): Promise<void> {
  const nowMs = Date.now();
  if (isOthers) looks.archived(nowMs);
  const found = isOthers ? {} : await looks.look(nowMs, signal);
  const isOwn = (code: string): boolean => !isOthers || code === OF_OTHERS;
  const events = heard.splice(0).flatMap((fact) => (isOwn(fact.kind) ? incidentOf(database, fact, nowMs) : []));
  await record.change((state) => {
    const known = state.incidents.filter(({ code }) => isOwn(code));
    const open = events.reduce(afterEvent, known);
    const { incidents, changes } = afterLook(open, { database, nowMs, found, repeatMs: settings.repeatMs });
    if (changes.length === 0) return { ...state, incidents };
    const notice = { id: randomUUID(), agent: host.agent.name, database, atMs: nowMs, changes };
    const { outbox, dropped } = withNotice(state.outbox, notice, [...targets.keys()]);
    if (dropped > 0) logger.error({ database, dropped }, 'old alerts are given up: too many wait for their targets');
    return { ...state, incidents, outbox };
  });
}

/** Whether another installation owns it; as it was known last, if no repository can be read. What nobody owns is looked after. */
async function isForeign({ catalogueOf, seenOwners, agent }: HostDeps, database: string): Promise<boolean> {
  const { owner: owners } = catalogueOf(database);
  const found = await owners.find(owners.keptMs).catch((error: unknown) => {
    if (error instanceof RstowError) return undefined;
    throw error;
  });
  const owner = found === undefined ? await seenOwners.recall(database) : found.owner;
  return owner !== undefined && owner.installationId !== agent.installationId;
}

function incidentOf(database: string, { kind, sentence, repository = '' }: EventFact, nowMs: number): Parameters<typeof afterEvent>[1][] {
  const alerting = ALERTING[kind];
  if (alerting === undefined) return [];
  // Of what only happens, each is told: a second hole is another one.
  const subject = alerting.source === 'once' ? sentence : repository;
  return [{ ...alerting, database, code: kind, subject, sentence, sinceMs: nowMs, untilMs: nowMs + EVENT_COUNTS_MS }];
}
