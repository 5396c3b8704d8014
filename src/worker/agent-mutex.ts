import { RstowError } from '../core/errors/rstow-error.ts';
import { acquireHostMutex, type HostMutex } from '../io/mutex/host-mutex.ts';

/**
 * Lets one agent run per installation; a frozen one is ended and replaced.
 * Fails: agent-already-running, naming the process.
 */
export async function acquireAgentMutex(installationId: string, signal: AbortSignal): Promise<HostMutex> {
  try {
    return await acquireHostMutex(`agent/${installationId}`, { what: 'rstow agent', waitTimeoutMs: 0, signal });
  } catch (error) {
    if (!(error instanceof RstowError) || error.code !== 'busy') throw error;
    const { pid = null, since = null } = error.details;
    const who = pid === null ? 'a process that does not say who it is' : `process ${String(pid)}, since ${String(since)},`;
    throw new RstowError('agent-already-running', `${who} is the agent of this state directory`, { details: { pid, since }, cause: error });
  }
}
