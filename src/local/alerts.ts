import { randomUUID } from 'node:crypto';
import type { AgentConfig } from '../config/agent-config.ts';
import { DEFAULT_CONFIG_FILE } from '../contract/default-places.ts';
import type { Incident } from '../core/alerts/incident.ts';
import type { Notice } from '../core/alerts/notice.ts';
import { hintOf, RstowError } from '../core/errors/rstow-error.ts';
import { meantText } from '../core/text/nearest-name.ts';
import { readAlertState } from '../io/agent-state/alert-state.ts';
import { openAlertTarget } from '../io/alert/open-alert-target.ts';
import { agentIdentity, isAgentRunning } from '../worker/agent-identity.ts';
import { loadConfig } from '../worker/load-config.ts';

/** What came of one test. `failure` is absent if it was delivered. */
export type TestedTarget = { target: string; failure?: { code: string; sentence: string; hint: string } };

/** Sends a test to the target that is named, or to all of them. Fails: invalid-config; invalid-input, if there is none of that name. */
export async function testAlerts(configFile: string = DEFAULT_CONFIG_FILE, wanted?: string): Promise<TestedTarget[]> {
  const config = await loadConfig(configFile);
  const targets = Object.entries(config.alerts?.targets ?? {});
  const chosen = targets.filter(([name]) => wanted === undefined || name === wanted);
  if (chosen.length === 0) throw noTarget(config, wanted);
  const { name: agent } = await agentIdentity(config);
  const notice: Notice = { id: randomUUID(), agent, database: '', atMs: Date.now(), changes: [] };
  return Promise.all(
    chosen.map(([target, settings]) => testTarget(target, () => openAlertTarget(settings).send(notice, new AbortController().signal))),
  );
}

async function testTarget(target: string, send: () => Promise<string | undefined>): Promise<TestedTarget> {
  try {
    const untaken = await send();
    const code = 'alert-not-delivered';
    return untaken === undefined ? { target } : { target, failure: { code, sentence: untaken, hint: hintOf(code) } };
  } catch (error) {
    if (!(error instanceof RstowError)) throw error;
    return { target, failure: { code: error.code, sentence: error.message, hint: error.hint } };
  }
}

function noTarget({ alerts }: AgentConfig, wanted: string | undefined): RstowError {
  const known = Object.keys(alerts?.targets ?? {});
  if (wanted === undefined || known.length === 0)
    return new RstowError('invalid-config', 'the config names no target under alerts.targets');
  return new RstowError('invalid-input', `alerts.targets has no "${wanted}"; it has: ${known.join(', ')}${meantText(wanted, known)}`);
}

export type OpenAlerts = {
  database: string;
  incidents: Incident[];
  /** Notices that some target has not had yet. */
  waiting: number;
  /** Whether an agent runs that looks. */
  isWatched: boolean;
};

/** What is wrong now, as the agent of this host has told people. Fails: invalid-config, agent-state-unsupported, installation-cloned. */
export async function openAlerts(configFile: string = DEFAULT_CONFIG_FILE): Promise<OpenAlerts[]> {
  const config = await loadConfig(configFile);
  const { agent, databases } = config;
  const isWatched = await isAgentRunning((await agentIdentity(config)).installationId);
  return Promise.all(
    Object.keys(databases).map(async (database) => {
      const { incidents, outbox } = await readAlertState({ stateDir: agent.stateDir, database });
      return { database, incidents: incidents.filter(({ notifiedAtMs }) => notifiedAtMs !== null), waiting: outbox.length, isWatched };
    }),
  );
}
