import type { IncomingMessage } from 'node:http';
import { createHash, timingSafeEqual } from 'node:crypto';
import { Client } from '@temporalio/client';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { readSecretFile } from '../../io/files/secret-file.ts';
import type { Logger } from '../telemetry/agent-logger.ts';
import { rstowClient } from '../../client/rstow-client.ts';
import { type DisasterRecoveryInput, parseDisasterRecoveryInput } from '../../contract/disaster-recovery.ts';
import type { OperatorKey } from '../operator-key.ts';
import type { TemporalConnection } from '../temporal/connection.ts';
import { type AlertmanagerWebhook, alertmanagerWebhookSchema } from '../../config/agent.ts';
import { type Answer, refusal, type Route } from './server.ts';

type Webhook = {
  /** @see HttpConfig */
  tokenFile: string;
  /** Undefined while the agent has no connection to Temporal. */
  requester: () => RecoveryRequester | undefined;
  logger: Logger;
};

const BODY_SIZE_BYTES_MAX = 1024 * 1024;

/**
 * Takes Alertmanager's webhook: each firing alert that names a database asks for its recovery. The token is never logged. What fails
 * Alertmanager tries again. Fails: invalid-config, where the token file can't be read.
 */
export async function recoveryRoute(webhook: Webhook): Promise<Route> {
  await readSecretFile(webhook.tokenFile);
  return { method: 'POST', answer: (request) => answerTo(webhook, request) };
}

async function answerTo({ tokenFile, requester, logger }: Webhook, request: IncomingMessage): Promise<Answer> {
  if (!isBearer(request.headers.authorization, await readSecretFile(tokenFile))) {
    logger.warn({ from: request.socket.remoteAddress }, 'a request for recovery had no valid token');
    return { ...refusal(401, 'a valid token is missing'), headers: { 'www-authenticate': 'Bearer' } };
  }
  const text = await readBody(request);
  if (text === undefined) return refusal(413, `more than ${BODY_SIZE_BYTES_MAX} bytes`);
  const wanted = requestsOf(text);
  if (wanted === undefined) return refusal(400, 'the body is not what Alertmanager posts');
  const { inputs, refused } = wanted;
  const requestRecovery = requester();
  if (requestRecovery === undefined) throw new RstowError('temporal-unreachable', 'the agent waits for Temporal');
  const requested: RecoveryRequest[] = [];
  for (const input of inputs) requested.push(await requestRecovery(input));
  if (requested.length > 0 || refused.length > 0) logger.warn({ requested, refused }, 'alerts asked for recovery');
  return { status: requested.length === 0 && refused.length > 0 ? 400 : 202, body: { requested, refused } };
}

/** Undefined where it is too large. */
async function readBody(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let sizeBytes = 0;
  // The caller still gets an answer if it sends too much: the connection outlives the loop.
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    sizeBytes += chunk.length;
    if (sizeBytes > BODY_SIZE_BYTES_MAX) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** Whether an Authorization header carries the token; how long the comparison takes reveals nothing of it. */
export function isBearer(header: string | undefined, token: string): boolean {
  const given = /^Bearer +(.+)$/i.exec(header ?? '')?.[1];
  return given !== undefined && timingSafeEqual(sha256(given), sha256(token));
}

const sha256 = (text: string): Buffer => createHash('sha256').update(text).digest();

type RecoveryRequest = { database: string; workflowId: string; runId: string };
export type RecoveryRequester = (input: DisasterRecoveryInput) => Promise<RecoveryRequest>;

const START_MS = 10_000;

/**
 * Asks for a database's recovery: many requests are one run. Whoever calls has proved who they are: signed with the agent's
 * own key if it has one. Fails: temporal-unreachable. Twice: the same run, as long as it is open.
 */
export function recoveryRequester({ connection, namespace }: TemporalConnection, signer: OperatorKey | undefined): RecoveryRequester {
  const rstow = rstowClient(new Client({ connection, namespace }));
  return async (input) => {
    const { database } = input;
    try {
      const start = (): ReturnType<typeof rstow.start> => rstow.start('disasterRecovery', input, { signer });
      const { workflowId, runId } = await connection.withDeadline(Date.now() + START_MS, start);
      return { database, workflowId, runId };
    } catch (cause) {
      throw new RstowError('temporal-unreachable', `the recovery of "${database}" could not be asked for`, { cause });
    }
  };
}

type AlertRequests = { inputs: DisasterRecoveryInput[]; refused: { database: string; reason: string }[] };

const DATABASE_LABEL = 'rstow_database';
const REASON_LENGTH_MAX = 1000;

/** What the firing alerts of a post ask for, one request a database; undefined where it is none of Alertmanager's. */
export function requestsOf(text: string): AlertRequests | undefined {
  const webhook = parseWebhook(text);
  if (webhook === undefined) return undefined;
  const requests: AlertRequests = { inputs: [], refused: [] };
  for (const [database, alertNames] of firingByDatabase(webhook)) {
    const reason = [...alertNames].join(', ').slice(0, REASON_LENGTH_MAX);
    try {
      requests.inputs.push(parseDisasterRecoveryInput([{ database, requestedBy: 'alertmanager', reason }]));
    } catch (error) {
      if (!(error instanceof RstowError)) throw error;
      requests.refused.push({ database, reason: error.message });
    }
  }
  return requests;
}

function parseWebhook(text: string): AlertmanagerWebhook | undefined {
  try {
    return alertmanagerWebhookSchema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

function firingByDatabase({ alerts }: AlertmanagerWebhook): Map<string, Set<string>> {
  const names = new Map<string, Set<string>>();
  for (const { status, labels } of alerts) {
    const database = labels[DATABASE_LABEL];
    if (status !== 'firing' || database === undefined) continue;
    names.set(database, (names.get(database) ?? new Set()).add(labels['alertname'] ?? 'unnamed alert'));
  }
  return names;
}
