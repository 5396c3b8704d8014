import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  Client,
  Connection,
  type ConnectionOptions,
  isGrpcServiceError,
  NamespaceNotFoundError,
  TemporalFailure,
  WorkflowFailedError,
  WorkflowNotFoundError,
  WorkflowUpdateFailedError,
} from '@temporalio/client';
import { type ErrorDetails, RstowError } from '../core/errors/rstow-error.ts';
import { isErrorCode } from '../core/errors/error-table.ts';

/** Where Temporal answers, and how to prove who asks. */
export type ConnectOptions = {
  /** `host:port` of Temporal's frontend; 127.0.0.1:7233 if absent. */
  address?: string | undefined;
  /** `default` if absent. */
  namespace?: string | undefined;
  /** As `@temporalio/client` takes it: `true`, or certificates for mutual TLS; plain TCP if absent. */
  tls?: ConnectionOptions['tls'] | undefined;
  /** As `@temporalio/client` takes it: a string, or a function that is asked at each request. */
  apiKey?: ConnectionOptions['apiKey'] | undefined;
  /** Headers of each request. */
  metadata?: ConnectionOptions['metadata'] | undefined;
};

export const DEFAULT_ADDRESS = '127.0.0.1:7233';
const DEFAULT_NAMESPACE = 'default';
const CONNECT_MS = 5_000;
/** Of the second try, which only asks whether TLS makes the difference. */
const OTHER_TLS_CONNECT_MS = 2_000;
/** A port of this host that refuses is asked again for so long: its server may be starting. */
const REFUSED_MS = 2_000;
const REFUSED_POLL_MS = 250;
const PORT_ANSWER_MS = 1_000;
const GRPC_NOT_FOUND = 5;

/** Fails: temporal-unreachable, within 10 s; invalid-input if there is no such namespace. */
export async function connectTemporal(options: ConnectOptions): Promise<{ temporal: Client; close: () => Promise<void> }> {
  const { address = DEFAULT_ADDRESS, namespace = DEFAULT_NAMESPACE, ...credentials } = options;
  const channelArgs = channelArgsOf(address);
  const settings = { ...credentials, address, connectTimeout: CONNECT_MS, channelArgs } as ConnectionOptions;
  // Only on the loopback interface is a refusal the server's own: elsewhere a proxy may be what gets through.
  if (Object.keys(channelArgs).length > 0 && (await keepsRefusing(address))) throw noServer(address, undefined);
  const connection = await Connection.connect(settings).catch(async (cause: unknown) => {
    throw await whyUnreachable(settings, address, cause);
  });
  const temporal = new Client({ connection, namespace });
  await requireNamespace(temporal, namespace).catch(async (error: unknown) => {
    await connection.close();
    throw error;
  });
  return { temporal, close: () => connection.close() };
}

function unknownNamespace(namespace: string, cause: unknown): RstowError {
  return new RstowError('invalid-input', `Temporal has no namespace "${namespace}"`, {
    details: { namespace },
    hint: 'Correct --namespace, TEMPORAL_NAMESPACE or temporal.namespace of the config file (in a program: the option `namespace`).',
    cause,
  });
}

/** Asked first, for an unknown namespace looks different in each later request. Who may not ask finds out by those. */
async function requireNamespace({ workflowService }: Client, namespace: string): Promise<void> {
  try {
    await workflowService.describeNamespace({ namespace });
  } catch (cause) {
    if (isNotFound(cause)) throw unknownNamespace(namespace, cause);
  }
}

export function isNotFound(error: unknown): boolean {
  const code: number | undefined = isGrpcServiceError(error) ? error.code : undefined;
  return code === GRPC_NOT_FOUND;
}

/** A server that answers without TLS, or only with it, is there: then the settings are wrong. */
async function whyUnreachable(settings: ConnectionOptions, address: string, cause: unknown): Promise<RstowError> {
  const usesTls = settings.tls !== undefined && settings.tls !== null && settings.tls !== false;
  if (await isRefused(address)) return noServer(address, cause);
  try {
    const other = await Connection.connect({ ...settings, tls: !usesTls, connectTimeout: OTHER_TLS_CONNECT_MS });
    await other.close();
  } catch {
    return noServer(address, cause);
  }
  const sentence = usesTls ? 'does not use TLS, but the settings ask for it' : 'wants TLS';
  const hint = usesTls
    ? 'Remove TLS from the client’s options, TEMPORAL_TLS and temporal.toml.'
    : 'Ask for TLS: by the client’s options, TEMPORAL_TLS=true or temporal.toml.';
  return new RstowError('temporal-unreachable', `the Temporal server at ${address} ${sentence}`, { details: { address }, hint, cause });
}

function noServer(address: string, cause: unknown): RstowError {
  return new RstowError('temporal-unreachable', `no Temporal server answers at ${address}`, { details: { address }, cause });
}

async function keepsRefusing(address: string): Promise<boolean> {
  const deadlineMs = performance.now() + REFUSED_MS;
  while (await isRefused(address)) {
    if (performance.now() > deadlineMs) return true;
    await sleep(REFUSED_POLL_MS);
  }
  return false;
}

/** Whether nobody listens there. No answer proves nothing. */
function isRefused(address: string): Promise<boolean> {
  const [, host, port] = /^\[?(.+?)\]?:([0-9]+)$/.exec(address) ?? [];
  if (host === undefined) return Promise.resolve(false);
  return new Promise((resolve) => {
    const socket = connect({ host, port: Number(port), timeout: PORT_ANSWER_MS });
    const settle = (refused: boolean): void => {
      socket.destroy();
      resolve(refused);
    };
    socket.once('connect', () => settle(false));
    socket.once('timeout', () => settle(false));
    socket.on('error', ({ code }: NodeJS.ErrnoException) => settle(code === 'ECONNREFUSED'));
  });
}

const LOOPBACK = /^(localhost|127(\.[0-9]{1,3}){3}|\[::1\])(:[0-9]+)?$/i;

/**
 * What a gRPC client needs to reach the address: nothing on the loopback interface is behind a proxy, whatever
 * https_proxy says and no_proxy forgets.
 */
export function channelArgsOf(address: string): Record<string, number> {
  return LOOPBACK.test(address) ? { 'grpc.enable_http_proxy': 0 } : {};
}

/** Throws as an `RstowError` what `work` fails with, a run's own failure among it. What nobody expects is thrown as it is: a bug. */
export async function withRstowErrors<Result>(work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    throw rstowErrorOf(error) ?? error;
  }
}

/** Undefined for what is none of the failures that a client of rstow expects. */
export function rstowErrorOf(error: unknown): RstowError | undefined {
  if (error instanceof RstowError) return error;
  if (error instanceof WorkflowFailedError || error instanceof WorkflowUpdateFailedError) return failureOfRun(error.cause);
  if (error instanceof WorkflowNotFoundError) {
    return new RstowError('invalid-input', `there is no open run "${error.workflowId}"`, {
      hint: '`rstow runs` shows which runs are open.',
      cause: error,
    });
  }
  if (error instanceof NamespaceNotFoundError) return unknownNamespace(error.namespace, error);
  return isUnreachable(error) ? new RstowError('temporal-unreachable', `Temporal failed: ${whyOf(error)}`, { cause: error }) : undefined;
}

/** A run's own failure begins with its code. */
function failureOfRun(cause: unknown): RstowError {
  const { type, message, details } = (cause ?? {}) as { type?: string | null; message?: string; details?: unknown[] | null };
  if (typeof type === 'string' && isErrorCode(type)) {
    const facts = details?.[0] as ErrorDetails | undefined;
    return new RstowError(type, (message ?? '').replace(`${type}: `, ''), { details: facts ?? {}, cause });
  }
  const kind = cause instanceof TemporalFailure ? cause.name : '';
  if (kind === 'CancelledFailure') return new RstowError('cancelled', 'the run was cancelled', { cause });
  if (kind === 'TerminatedFailure')
    return new RstowError('cancelled', `the run was terminated: ${message ?? 'no reason given'}`, { cause });
  if (kind === 'TimeoutFailure') return new RstowError('agent-unreachable', 'no agent took the run up in time', { cause });
  return new RstowError('failed', message ?? 'the run failed', { cause });
}

function isUnreachable(error: unknown): boolean {
  return error instanceof Error && (isGrpcServiceError(error) || isGrpcServiceError(error.cause));
}

function whyOf(error: unknown): string {
  const cause = error instanceof Error && isGrpcServiceError(error.cause) ? error.cause : error;
  return isGrpcServiceError(cause) ? withoutResolution(cause.details) : String(error);
}

/** gRPC says how it looked the address up, also if there is nothing to say. */
function withoutResolution(details: string): string {
  return details.replace(/^No connection established\. Last error: (Error: )?/, '').replace(/\.? Resolution note:[^]*$/, '');
}
