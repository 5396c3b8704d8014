import { setTimeout as delay } from 'node:timers/promises';
import type { AlertTargetConfig } from '../../config/alerts.ts';
import { type Notice, noticeText, noticeTitle } from '../../core/alerts/notice.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { readSecretFile } from '../files/secret-file.ts';
import type { AlertTarget } from './alert-target.ts';

type EmailSettings = Extract<AlertTargetConfig, { kind: 'email' }>;

/** Plain text by SMTP, on a connection of its own. */
export function emailTarget(settings: EmailSettings): AlertTarget {
  const { host, port, tls, user, passwordFile, timeoutMs } = settings;
  return {
    send: async (notice, signal) => {
      signal.throwIfAborted();
      const auth = user === undefined || passwordFile === undefined ? {} : { auth: { user, pass: await readSecretFile(passwordFile) } };
      // Loaded here only: most agents send no mail.
      const { createTransport } = await import('nodemailer');
      const transport = createTransport({
        ...{ host, port, secure: tls === 'always', requireTLS: tls === 'starttls', ignoreTLS: tls === 'never' },
        ...{ connectionTimeout: timeoutMs, greetingTimeout: timeoutMs, socketTimeout: timeoutMs },
        ...auth,
      });
      const over = new AbortController();
      const late = delay(timeoutMs, 'late' as const, { signal: AbortSignal.any([signal, over.signal]) });
      try {
        const sent = await Promise.race([transport.sendMail(mailOf(settings, notice)), late]);
        if (sent === 'late') throw undelivered(settings, `has not taken the mail within ${timeoutMs} ms`);
        const refused = sent.rejected.map(String);
        return refused.length === 0 ? undefined : `the mail server ${host}:${port} does not take mail for ${refused.join(', ')}`;
      } catch (error) {
        signal.throwIfAborted();
        throw error instanceof RstowError ? error : undelivered(settings, reasonOf(settings, error));
      } finally {
        over.abort();
        late.catch(() => undefined);
        transport.close();
      }
    },
  };
}

function mailOf({ from, to }: EmailSettings, notice: Notice): object {
  const { id, database } = notice;
  return {
    ...{ from, to, subject: noticeTitle(notice), text: `${noticeText(notice)}\n`, messageId: `<${id}@rstow>` },
    headers: { 'X-Rstow-Database': database, 'Auto-Submitted': 'auto-generated' },
  };
}

function undelivered({ host, port }: EmailSettings, what: string): RstowError {
  return new RstowError('alert-not-delivered', `the mail server ${host}:${port} ${what}`, { details: { host } });
}

/** Of nodemailer's failures; what the server said is in `response`. */
type MailFailure = { code?: string; response?: string; message?: string };

function reasonOf({ user }: EmailSettings, error: unknown): string {
  const { code = '', response, message = '' } = error as MailFailure;
  const said = response ?? message;
  if (code === 'EAUTH') return `does not accept the password of ${user ?? 'nobody'}: ${said}`;
  return response === undefined ? `can’t be reached: ${said}` : `refused the mail: ${said}`;
}
