import type { AlertTargetConfig } from '../../config/alerts.ts';
import { type Notice, noticeJson, noticeText, noticeTitle } from '../../core/alerts/notice.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { runCommand } from '../process/run-command.ts';
import type { AlertTarget } from './alert-target.ts';

type CommandSettings = Extract<AlertTargetConfig, { kind: 'command' }>;

/** Runs a program, which gets the JSON on its standard input; at its time's end all of its process group is killed. */
export function commandTarget({ command, timeoutMs }: CommandSettings): AlertTarget {
  return {
    send: async (notice, signal) => {
      const input = `${JSON.stringify(noticeJson(notice))}\n`;
      const { exitCode, stderr } = await runCommand(command, { env: variablesOf(notice), timeoutMs, signal, input }).catch(
        (cause: unknown) => {
          if (!(cause instanceof RstowError)) throw cause;
          throw new RstowError('alert-not-delivered', cause.message, { cause });
        },
      );
      if (exitCode === 0) return undefined;
      const said = stderr.trim().split('\n').at(-1) ?? '';
      throw new RstowError('alert-not-delivered', `${command[0] ?? ''} ended with exit code ${exitCode}${said === '' ? '' : `: ${said}`}`);
    },
  };
}

function variablesOf(notice: Notice): Record<string, string> {
  const { id, database, agent, changes } = notice;
  const [first] = changes;
  return {
    RSTOW_ALERT_ID: id,
    RSTOW_ALERT_AGENT: agent,
    RSTOW_ALERT_DATABASE: database,
    RSTOW_ALERT_TITLE: noticeTitle(notice),
    RSTOW_ALERT_TEXT: noticeText(notice),
    RSTOW_ALERT_CODE: first?.code ?? 'test',
    RSTOW_ALERT_SEVERITY: first === undefined || first.kind === 'resolved' ? 'ok' : first.severity,
  };
}
