import type { EventFact } from '../activities/activity-deps.ts';
import type { AgentConfig } from '../config/agent-config.ts';
import { backupAgeMaxMs } from '../core/protection/verdict.ts';
import { changesProtection } from './agent-deps.ts';
import { createHealth, type Health, healthRoute } from './http/health.ts';
import { type RecoveryRequester, recoveryRoute } from './http/recovery-webhook.ts';
import { openHttpServer, type Routes } from './http/server.ts';
import type { Logger } from './telemetry/agent-logger.ts';
import { createMetrics } from './telemetry/metrics.ts';

/** What is served of an agent over HTTP, whether it has reached Temporal or not. */
export type Monitoring = {
  health: Health;
  /** Of which something was stored, copied or proved; @see startProtectionWatch */
  changed: Set<string>;
  /** Subscribes to events. */
  note(fact: EventFact): void;
  /** As long as there is a connection to Temporal. */
  requestRecovery: RecoveryRequester | undefined;
  /** Fails: port-taken, invalid-config. */
  open(signal: AbortSignal): Promise<void>;
};

export function createMonitoring({ agent: { http }, databases }: AgentConfig, logger: Logger): Monitoring {
  const health = createHealth();
  const metrics = createMetrics({
    isArchived: (database) => databases[database]?.archive.enabled === true,
    ageMaxMs: (database, nowMs) => {
      const { check, schedules } = databases[database] ?? {};
      return backupAgeMaxMs({ schedule: schedules?.hotBackup ?? null, backedUpWithinMs: check?.backedUpWithinMs }, nowMs);
    },
  });
  const changed = new Set<string>();
  const monitoring: Monitoring = {
    health,
    changed,
    note: (fact) => {
      metrics.note(fact);
      if (changesProtection(fact) && fact.database !== undefined) changed.add(fact.database);
    },
    requestRecovery: undefined,
    open: async (signal) => {
      const tokenFile = http?.recoveryTokenFile;
      const routes: Routes = { '/metrics': metrics.route, '/healthz': healthRoute(health) };
      const requester = (): RecoveryRequester | undefined => monitoring.requestRecovery;
      const recovery = tokenFile === undefined ? {} : { '/recovery': await recoveryRoute({ tokenFile, requester, logger }) };
      await openHttpServer({ settings: http, routes: { ...routes, ...recovery }, logger, signal });
    },
  };
  return monitoring;
}
