import { RstowError } from '../../core/errors/rstow-error.ts';
import type { FrameDamage, ServerError } from './protocol.ts';

/** Codes of Node and OpenSSL that say the other side is there but trust is missing: trying again can't help. */
const TRUST_CODES = /^ERR_(SSL|TLS)_|CERT|SIGNATURE|HOSTNAME_MISMATCH/;

/** A socket that failed: unreachable, unless the certificates are what it failed on. */
export function socketError(address: string, cause: Error): RstowError {
  const socketCode = 'code' in cause && typeof cause.code === 'string' ? cause.code : cause.name;
  const options = { details: { address, socketCode }, cause };
  if (TRUST_CODES.test(socketCode)) {
    return new RstowError('server-refused', `TLS with the server at ${address} failed (${socketCode})`, options);
  }
  return new RstowError('server-unreachable', `the server at ${address} cannot be reached (${socketCode})`, options);
}

export function timeoutError(address: string, awaited: string, timeoutMs: number): RstowError {
  const details = { address, awaited, timeoutMs };
  return new RstowError('server-unreachable', `the server at ${address} did not answer ${awaited} within ${timeoutMs} ms`, { details });
}

/** The server answers a frame that it can't read, and an answer above 16 MiB, by closing without a word. */
export function closedError(address: string, op: string | undefined): RstowError {
  if (op === undefined)
    return new RstowError('server-unreachable', `the connection to the server at ${address} is closed`, { details: { address } });
  const sentence = `the server at ${address} closed the connection with no answer to ${op}; a TLS port and an answer above 16 MiB look like this too`;
  return new RstowError('server-unreachable', sentence, { details: { address, op } });
}

const CUT_CODES: readonly string[] = ['ECONNRESET', 'EPIPE'];

/** What is awaited first. */
export const CONNECT = 'a connect';

/** Whether the server hung up instead of answering: it may be that the answer was too long for it, or that it has ended. */
export function isCutOff(error: unknown): boolean {
  if (!(error instanceof RstowError) || error.code !== 'server-unreachable') return false;
  return error.details['op'] !== undefined || CUT_CODES.includes(String(error.details['socketCode']));
}

/** Whether nothing was reached at that address: it is down, or somewhere else. */
export function isNobodyThere({ code, details: { socketCode, awaited } }: RstowError): boolean {
  return code === 'server-unreachable' && (awaited === CONNECT || (socketCode !== undefined && !CUT_CODES.includes(String(socketCode))));
}

export function damagedAnswerError(address: string, reason: FrameDamage | 'json' | 'id'): RstowError {
  const sentence = `what answers at ${address} does not speak rstmdb's protocol, or the line is broken (${reason})`;
  return new RstowError('server-unreachable', sentence, { details: { address, reason } });
}

/**
 * The server's own refusal; `details.serverCode` is its code. It is retried where the server calls it retryable:
 * then it is `failed`, else `server-refused`.
 */
export function serverError(address: string, op: string, error: ServerError): RstowError {
  const details = { address, op, serverCode: error.serverCode };
  const sentence = `the server at ${address} refused ${op}: ${error.serverCode}, ${error.message}`;
  return new RstowError(error.retryable ? 'failed' : 'server-refused', sentence, { details });
}

/** The server's code of a refusal, e.g. `INSTANCE_NOT_FOUND`; undefined for every other error. */
export function serverCodeOf(error: unknown): string | undefined {
  if (!(error instanceof RstowError)) return undefined;
  const code = error.details['serverCode'];
  return typeof code === 'string' ? code : undefined;
}
