import { type Logger as SdkLogger, makeTelemetryFilterString, Runtime } from '@temporalio/worker';
import { type Logger, pino } from 'pino';

export type { Logger } from 'pino';

/** JSON lines on stderr: stdout is for what an agent tells whoever started it. */
export function createAgentLogger(): Logger {
  return pino({ base: null, timestamp: pino.stdTimeFunctions.isoTime }, pino.destination({ dest: 2, sync: true }));
}

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
function sdkLogger(logger: Logger): SdkLogger {
  const ignore = (): void => undefined;
  const warn: SdkLogger['warn'] = (message, meta) => {
    if (!INTENDED.test(message)) logger.warn({ ...meta }, message);
  };
  const error: SdkLogger['error'] = (message, meta) => logger.error({ ...meta }, message);
  const log: SdkLogger['log'] = (level, message, meta) => {
    if (level === 'WARN') warn(message, meta);
    if (level === 'ERROR') error(message, meta);
  };
  return { log, trace: ignore, debug: ignore, info: ignore, warn, error };
}
