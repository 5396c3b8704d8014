import { runCommand } from '../io/process/run-command.ts';

const TIMEOUT_MS = 10_000;

/** Says to the systemd that started us that the unit works now. Twice: no-op. Fails: failed, where there is no systemd-notify. */
export async function tellReady(): Promise<void> {
  await runCommand(['systemd-notify', '--ready'], { timeoutMs: TIMEOUT_MS });
}
