import { makeTelemetryFilterString, Runtime, type Logger as SdkLogger } from '@temporalio/worker';
import { terminalColumns, wrapped } from '../../core/text/wrapped.ts';
import { type DestinationStream, type Logger, type LoggerOptions, pino } from 'pino';

export type { Logger } from 'pino';

/** On stderr, for stdout is for what an agent reports to whoever started it: lines for a person at a terminal, else lines of JSON. */
export function createAgentLogger(): Logger {
  const stderr = pino.destination({ dest: 2, sync: true });
  const forPerson: DestinationStream = { write: (line) => void process.stderr.write(personLine(line, terminalColumns(process.stderr))) };
  return pino(LOGGER_OPTIONS, process.stderr.isTTY ? forPerson : stderr);
}

/** Errors under both of the names that they are logged by. */
export const LOGGER_OPTIONS: LoggerOptions = {
  base: null,
  timestamp: pino.stdTimeFunctions.isoTime,
  serializers: { err: pino.stdSerializers.err, error: pino.stdSerializers.err },
};

/**
 * Before the first connection; the agent handles signals itself. It keeps the process alive until it is shut down, also
 * where no connection was ever made.
 */
export function installTemporalRuntime(logger: Logger): Runtime {
  return Runtime.install({
    logger: sdkLogger(logger.child({ part: 'temporal' })),
    shutdownSignals: [],
    telemetryOptions: { logging: { forward: {}, filter: makeTelemetryFilterString({ core: 'WARN', other: 'ERROR' }) } },
  });
}

/** A worker says so of every queue that serves one kind of task, as ours all do. */
const INTENDED = /^No (workflows|activities) registered/;

/** Temporal's own warnings and errors; what it reports of each task would drown the agent's lines. */
export function sdkLogger(logger: Logger): SdkLogger {
  const ignore = (): void => undefined;
  const warn: SdkLogger['warn'] = (message, meta) => {
    if (!INTENDED.test(message)) logger.warn(factsOf(meta), message);
  };
  const error: SdkLogger['error'] = (message, meta) => logger.error(factsOf(meta), message);
  const log: SdkLogger['log'] = (level, message, meta) => {
    if (level === 'WARN') warn(message, meta);
    if (level === 'ERROR') error(message, meta);
  };
  return { log, trace: ignore, debug: ignore, info: ignore, warn, error };
}

/** What an operator can do nothing with: keys of the protocol, and what stands in the rest already. */
const OF_NO_USE = ['taskToken', 'sdkComponent', 'isLocal', 'namespace'];

function factsOf(meta: object | undefined): object {
  return Object.fromEntries(Object.entries(meta ?? {}).filter(([name]) => !OF_NO_USE.includes(name)));
}

const LEVELS: Record<number, string> = { 10: 'trace', 20: 'debug', 30: 'info', 40: 'warning', 50: 'error', 60: 'fatal' };

/** Said by the line itself. */
const SAID = ['level', 'time', 'msg', 'err', 'error'];

/** What a line begins with: the time and the level. */
const MARGIN = ' '.repeat('02:15:31 warning  '.length);

/**
 * One JSON line of the log as a person reads it: `02:15:31 warning  waiting for Temporal: why (address 127.0.0.1:7233)`. A longer one
 * goes on below its sentence.
 */
export function personLine(json: string, columns = Infinity): string {
  const entry = JSON.parse(json) as Record<string, unknown> & { level?: number; time?: string; msg?: string };
  const time = /T([0-9:]{8})/.exec(entry.time ?? '')?.[1] ?? '';
  const level = LEVELS[entry.level ?? 30] ?? '';
  const reason = [entry['err'], entry['error']].map(messageOf).find((message) => message !== undefined);
  const facts = Object.entries(entry).filter(([name, value]) => !SAID.includes(name) && value !== null && value !== '');
  const shown = facts.map(([name, value]) => `${name} ${typeof value === 'string' ? value : JSON.stringify(value)}`).join(', ');
  const sentence = reason === undefined ? (entry.msg ?? '') : `${entry.msg ?? ''}: ${reason}`;
  const line = `${time} ${level.padEnd(7)}  ${sentence}${shown === '' ? '' : ` (${shown})`}`;
  return `${wrapped(line, columns, MARGIN).join('\n')}\n`;
}

function messageOf(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('message' in error)) return undefined;
  return typeof error.message === 'string' && error.message !== '' ? error.message : undefined;
}
