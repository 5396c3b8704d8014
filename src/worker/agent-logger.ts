import { type Logger as SdkLogger, makeTelemetryFilterString, Runtime } from '@temporalio/worker';
import { type DestinationStream, type Logger, type LoggerOptions, pino } from 'pino';
import { personLine } from './log-line.ts';

export type { Logger } from 'pino';

/** On stderr, for stdout is for what an agent tells whoever started it: lines for a person at a terminal, else lines of JSON. */
export function createAgentLogger(): Logger {
  const stderr = pino.destination({ dest: 2, sync: true });
  const forPerson: DestinationStream = { write: (line) => void process.stderr.write(personLine(line)) };
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

/** Temporal's own warnings and errors; what it tells of each task would drown the agent's lines. */
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
