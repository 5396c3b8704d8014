import { AssertionError, RstowError } from '../../core/errors/rstow-error.ts';
import type { ErrorCode } from '../../core/errors/error-table.ts';
import type { S3Place } from './s3-place.ts';

type Failing = Pick<S3Place, 'bucket' | 'description'>;

/** Runs what asks the server; its failures become ours. `doing` completes `could not`. */
export async function asked<Answer>(place: Failing, doing: string, action: () => Promise<Answer>): Promise<Answer> {
  try {
    return await action();
  } catch (error) {
    throw s3Failure(error, doing, place);
  }
}

/**
 * An error of the table, in our words; our own errors, assertions and cancellation pass untouched. What the server and its
 * library attach to theirs stays behind: requests are signed, and headers and texts of them may hold what nobody should read.
 */
export function s3Failure(error: unknown, doing: string, { bucket, description }: Failing): unknown {
  if (!(error instanceof Error) || error instanceof RstowError || error instanceof AssertionError || error.name === 'AbortError')
    return error;
  const said = saidBy(error);
  const { code, what } = meaningOf(said, bucket);
  const details = { repository: description, doing, error: said.name, ...(said.status === undefined ? {} : { status: said.status }) };
  const cause = new Error(`${said.name}: ${said.message}`);
  const sentence = `${description}: could not ${doing}: ${what}`;
  return new RstowError(code, sentence, code === 'repository-unavailable' ? { details, cause, hint: HINT } : { details, cause });
}

const HINT =
  'Check the bucket, the endpoint and the credentials of the repository in the agent’s config file, and the network (docs/s3.md).';

/** Of what was asked for: nothing of that key is there, or not that version. A bucket that is missing is another answer. */
export function isNoSuchKey(error: unknown): boolean {
  return error instanceof Error && (error.name === 'NoSuchKey' || error.name === 'NoSuchVersion');
}

/** The name is taken. */
export function isTaken(error: unknown): boolean {
  return error instanceof Error && (error.name === 'PreconditionFailed' || statusOf(error) === 412);
}

/** Another put of the key was under way: it may win, and may fail. */
export function isConflict(error: unknown): boolean {
  return error instanceof Error && (error.name === 'ConditionalRequestConflict' || statusOf(error) === 409);
}

/** The server knows who asks, and this is not theirs to do. */
export function isDenied(error: unknown): boolean {
  return error instanceof Error && error.name === 'AccessDenied';
}

/** Whether the library had asked before: then an earlier try may have been carried out. */
export function wasTriedBefore(error: unknown): boolean {
  return (metadataOf(error)?.attempts ?? 1) > 1;
}

export function statusOf(error: unknown): number | undefined {
  return metadataOf(error)?.httpStatusCode;
}

function metadataOf(error: unknown): { httpStatusCode?: number; attempts?: number } | undefined {
  return (error as { $metadata?: { httpStatusCode?: number; attempts?: number } } | undefined)?.$metadata;
}

type Said = { name: string; message: string; status: number | undefined };

/** A network's failure has its name in `code`, a server's in `name`. */
function saidBy(error: Error): Said {
  const { code } = error as { code?: unknown };
  const status = statusOf(error);
  return { name: typeof code === 'string' && status === undefined ? code : error.name, message: error.message, status };
}

type Meaning = { code: ErrorCode; what: string };

const UNAVAILABLE: readonly [names: RegExp, what: string][] = [
  [/^(InvalidAccessKeyId|InvalidClientTokenId|XAdminUserNotFound)$/, 'the server does not know the access key'],
  [/^SignatureDoesNotMatch$/, 'the secret key does not belong to the access key'],
  [/^(ExpiredToken|TokenRefreshRequired|InvalidToken)$/, 'the credentials have expired'],
  [/^(AccessDenied|AllAccessDisabled|AccountProblem|Forbidden|UnauthorizedAccess)$/, 'the credentials have no right to do that'],
  [/^RequestTimeTooSkewed$/, 'the clocks of this host and of the server differ by more than the server allows'],
  [
    /^CredentialsProviderError$/,
    'there are no credentials: name a credentialsFile, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY for the agent',
  ],
  [
    /^(PermanentRedirect|AuthorizationHeaderMalformed|IllegalLocationConstraintException)$/,
    'the bucket lies in another region: set the key region',
  ],
  [/^(SlowDown|TooManyRequests|Throttl\w*|RequestLimitExceeded|BandwidthLimitExceeded)$/, 'the server asks to slow down'],
  [/^(InvalidObjectState)$/, 'the object has been moved to an archive class, from which it has to be brought back first'],
  [/^(BadDigest|XAmzContentChecksumMismatch|InvalidDigest)$/, 'the bytes were changed on their way to the server'],
  [/^(TimeoutError|ETIMEDOUT|ESOCKETTIMEDOUT|RequestTimeout)$/, 'it did not answer in time'],
  [/^(ECONNRESET|EPIPE|ERR_STREAM_PREMATURE_CLOSE|IncompleteBody)$/, 'the connection was cut'],
  [/^(ENOTFOUND|EAI_AGAIN)$/, 'the name of the server is not known'],
  [/^(ECONNREFUSED|EHOSTUNREACH|ENETUNREACH|EADDRNOTAVAIL)$/, 'the server is not reachable'],
];

const FULL = /^(QuotaExceeded|\w*StorageFull|InsufficientStorage\w*|StorageQuotaExceeded|NoSpaceLeft\w*|ENOSPC)$/;
const UNTRUSTED = /^(\w*SELF_SIGNED\w*|UNABLE_TO_\w+|CERT_\w+|ERR_TLS_\w+|HOSTNAME_MISMATCH|EPROTO|ERR_SSL_\w+)$/;

function meaningOf({ name, message, status }: Said, bucket: string): Meaning {
  const unavailable = (what: string): Meaning => ({ code: 'repository-unavailable', what });
  if (FULL.test(name) || status === 507) return { code: 'not-enough-space', what: 'the server has no room left, or the quota is reached' };
  if (name === 'NotImplemented' || status === 501) return { code: 'repository-unsupported', what: 'the server can’t do that' };
  if (name === 'NoSuchBucket') return unavailable(`there is no bucket "${bucket}"`);
  if (UNTRUSTED.test(name)) return unavailable(`the server’s certificate is not trusted (${name}): name its authority in the key caFile`);
  const known = UNAVAILABLE.find(([names]) => names.test(name))?.[1];
  if (known !== undefined) return unavailable(known);
  if (status === 403) return unavailable('the credentials have no right to do that');
  if (status === 503 || status === 429) return unavailable('the server asks to slow down');
  if (status !== undefined && status >= 500) return unavailable(`the server failed (${status} ${name})`);
  return unavailable(`${message || name}${status === undefined ? '' : ` (${status} ${name})`}`);
}
