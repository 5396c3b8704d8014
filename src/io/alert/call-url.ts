import { RstowError } from '../../core/errors/rstow-error.ts';
import { errnoOf } from '../files/errno.ts';
import { readSecretFile } from '../files/secret-file.ts';

/** Either is there. */
export type UrlSettings = { url?: string | undefined; urlFile?: string | undefined };

type Call = { settings: UrlSettings; timeoutMs: number; signal: AbortSignal; /** Posted as JSON; asked by GET if absent. */ json?: object };

/**
 * One HTTP request that is answered by 2xx. Of the URL only the host is ever named: the rest may be a secret.
 * Fails: alert-not-delivered; invalid-config, as `readSecretFile`, or if the file holds no URL; the signal's reason.
 */
export async function callUrl({ settings, timeoutMs, signal, json }: Call): Promise<void> {
  const url = await urlOf(settings);
  const ended = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
  const posted = json === undefined ? {} : { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(json) };
  const response = await fetch(url, { ...posted, redirect: 'manual', signal: ended }).catch((cause: unknown) => {
    signal.throwIfAborted();
    throw undelivered(url, ended.aborted ? `has not answered within ${timeoutMs} ms` : `can’t be reached: ${reasonOf(cause)}`);
  });
  await response.body?.cancel().catch(() => undefined);
  if (!response.ok) throw undelivered(url, `answered ${response.status}`);
}

async function urlOf({ url, urlFile }: UrlSettings): Promise<URL> {
  if (urlFile === undefined) return new URL(url ?? '');
  const text = await readSecretFile(urlFile);
  if (/^https?:\/\//.test(text) && URL.canParse(text)) return new URL(text);
  throw new RstowError('invalid-config', `${urlFile} holds no URL that begins with https:// or http://`, { details: { path: urlFile } });
}

/** Not the cause, which may name the whole URL. */
function undelivered({ host }: URL, what: string): RstowError {
  return new RstowError('alert-not-delivered', `${host} ${what}`, { details: { host } });
}

function reasonOf(error: unknown): string {
  const { cause } = error as { cause?: unknown };
  return errnoOf(cause) ?? (cause instanceof Error ? cause.message : 'unknown');
}
