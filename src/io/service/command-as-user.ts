import { RstowError } from '../../core/errors/rstow-error.ts';
import { runCommand } from '../process/run-command.ts';

const TIMEOUT_MS = 10_000;

/**
 * The command line that runs a command as another user (a name, or `uid:gid`), with all of that user's groups. Only
 * root can do so; whoever is that user already needs nothing. Fails: service-start-failed, for a user that there isn't.
 */
export async function commandAsUser(command: readonly string[], user: string | undefined): Promise<readonly string[]> {
  if (user === undefined || process.getuid?.() !== 0) return command;
  const [uid, gid] = user.split(':');
  if (gid !== undefined) return ['setpriv', `--reuid=${uid ?? ''}`, `--regid=${gid}`, '--clear-groups', '--', ...command];
  return ['setpriv', `--reuid=${user}`, `--regid=${await groupOf(user)}`, '--init-groups', '--', ...command];
}

async function groupOf(user: string): Promise<string> {
  const { exitCode, stdout } = await runCommand(['id', '-g', user], { timeoutMs: TIMEOUT_MS });
  if (exitCode !== 0) throw new RstowError('service-start-failed', `this host has no user "${user}"`, { details: { user } });
  return stdout.trim();
}
