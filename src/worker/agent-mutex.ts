import { RstowError } from '../core/errors/rstow-error.ts';
import { acquireHostMutex, type HostMutex } from '../io/mutex/host-mutex.ts';

/** A holder that was killed for its silence may take a while to go, with all its memory on a busy host. */
const PATIENCE_MS = 20_000;

/**
 * Lets one agent run per installation; a frozen one is ended and replaced.
 * Fails: agent-already-running, naming the process.
 */
export async function acquireAgentMutex(installationId: string, signal: AbortSignal): Promise<HostMutex> {
  const deadlineMs = performance.now() + PATIENCE_MS;
  for (;;) {
    try {
      return await acquireHostMutex(`agent/${installationId}`, { what: 'rstow agent', waitTimeoutMs: 0, signal });
    } catch (error) {
      if (!(error instanceof RstowError) || error.code !== 'busy') throw error;
      const answers = error.details['pid'] !== undefined;
      if (answers || performance.now() >= deadlineMs) throw alreadyRunning(error);
    }
  }
}

function alreadyRunning(busy: RstowError): RstowError {
  const { pid = null, since = null } = busy.details;
  const who = pid === null ? 'a process that does not say who it is' : `process ${String(pid)}, since ${String(since)},`;
  return new RstowError('agent-already-running', `${who} is the agent of this state directory`, { details: { pid, since }, cause: busy });
}
