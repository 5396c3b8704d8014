import { RstowError } from '../../core/errors/rstow-error.ts';
import type { Service } from './service.ts';

/** A server that rstow may neither start nor stop. */
export function createUnmanagedService(): Service {
  const refuse = (): Promise<never> =>
    Promise.reject(new RstowError('service-unmanaged', 'rstow does not manage this server: no service is configured'));
  return { kind: 'none', start: refuse, stop: refuse, isRunning: refuse, logTail: () => Promise.resolve('') };
}
