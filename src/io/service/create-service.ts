import type { DatabaseConfig } from '../../config/agent-config.ts';
import { RstowError, unreachable } from '../../core/errors/rstow-error.ts';
import { createCommandsService } from './commands-service.ts';
import { type ContainerServiceConfig, createContainerService } from './container-service.ts';
import { createDockerService } from './docker-service.ts';
import { createProcessService } from './process-service.ts';
import { type Service, STOP_GRACE_MS } from './service.ts';
import { createSystemdService } from './systemd-service.ts';

/** As the config says that a server is managed, or a server of rstow's own in a container. */
export type ServiceConfig = DatabaseConfig['service'] | ({ readonly kind: 'container' } & ContainerServiceConfig);

/** The server of that data directory. Touches nothing. */
export function createService(config: ServiceConfig, dataDir: string): Service {
  switch (config.kind) {
    case 'process':
      return createProcessService({ ...config, dataDir });
    case 'container':
      return createContainerService(config);
    case 'systemd':
      return createSystemdService(config);
    case 'docker':
      return createDockerService(config);
    case 'commands':
      return createCommandsService(config);
    case 'none':
      return createUnmanagedService();
    default:
      return unreachable(config);
  }
}

/** A server that rstow may neither start nor stop. */
export function createUnmanagedService(): Service {
  const refuse = (): Promise<never> =>
    Promise.reject(new RstowError('service-unmanaged', 'rstow does not manage this server: no service is configured'));
  return {
    isManaged: false,
    stopGraceMs: STOP_GRACE_MS,
    program: undefined,
    logFile: undefined,
    processes: undefined,
    refuseStartsWhile: undefined,
    start: refuse,
    stop: refuse,
    isRunning: refuse,
    logTail: () => Promise.resolve(''),
  };
}
