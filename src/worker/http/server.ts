import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { HttpConfig } from '../../config/agent-config.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { parseServerAddress } from '../../io/service/ports.ts';
import type { Logger } from '../telemetry/agent-logger.ts';

/** `body`: an object is sent as JSON. */
export type Answer = { status: number; body: object | string; headers?: Record<string, string> };

/** What is at one path. It may fail: that is answered with 503, and the caller comes again. */
export type Route = { method: 'GET' | 'POST'; answer: (request: IncomingMessage) => Promise<Answer> };
export type Routes = Readonly<Record<string, Route>>;

type HttpServerOptions = {
  /** Undefined: nothing listens. */
  settings: HttpConfig | undefined;
  /** By path. */
  routes: Routes;
  logger: Logger;
  /** Aborted: it listens no more. */
  signal: AbortSignal;
};

const CONNECTIONS_MAX = 32;
const REQUEST_MS = 10_000;

/** The agent's one HTTP server, from before Temporal is reached until the agent ends. Fails: port-taken; invalid-config, where the address can't be listened on. */
export async function openHttpServer({ settings, routes, logger, signal }: HttpServerOptions): Promise<void> {
  if (settings === undefined) return;
  const server = createServer({ requestTimeout: REQUEST_MS, headersTimeout: REQUEST_MS }, (request, response) => {
    void respond({ routes, logger }, request, response);
  });
  server.maxConnections = CONNECTIONS_MAX;
  await listen(server, settings.listen);
  // Such as a connection that there is no file descriptor for: it must not end the agent.
  server.on('error', (error) => logger.warn({ err: error }, 'the HTTP server could not take a connection'));
  const close = (): void => {
    server.close();
    server.closeAllConnections();
  };
  if (signal.aborted) close();
  signal.addEventListener('abort', close, { once: true });
  logger.info({ listen: settings.listen }, `serving ${Object.keys(routes).join(', ')}`);
}

async function listen(server: Server, address: string): Promise<void> {
  const { host, port } = parseServerAddress(address);
  server.listen({ host, port });
  try {
    await once(server, 'listening');
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'EADDRINUSE') throw new RstowError('port-taken', `another program listens on ${address}`, { details: { address }, cause });
    throw new RstowError('invalid-config', `agent.http can't listen on ${address}: ${code ?? String(cause)}`, { cause });
  }
}

type Served = Pick<HttpServerOptions, 'routes' | 'logger'>;

async function respond(served: Served, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { status, body, headers } = await answerTo(served, request).catch((error: unknown) => unavailable(served, error));
  const isText = typeof body === 'string';
  // A caller whose body was not read to its end must not send its next request behind it.
  const connection = status < 300 ? {} : { connection: 'close' };
  response.writeHead(status, { 'content-type': isText ? 'text/plain' : 'application/json', ...connection, ...headers });
  response.end(isText ? body : `${JSON.stringify(body)}\n`);
}

async function answerTo({ routes }: Served, request: IncomingMessage): Promise<Answer> {
  const path = request.url?.split('?')[0] ?? '';
  const route = Object.hasOwn(routes, path) ? routes[path] : undefined;
  if (route === undefined) return refusal(404, `there is only ${Object.keys(routes).join(', ')}`);
  if (request.method !== route.method) return { ...refusal(405, `only ${route.method} is taken`), headers: { allow: route.method } };
  return route.answer(request);
}

export const refusal = (status: number, error: string): Answer => ({ status, body: { error } });

function unavailable({ logger }: Served, error: unknown): Answer {
  logger.warn({ err: error }, 'a request over HTTP failed');
  return refusal(503, error instanceof RstowError ? `${error.code}: ${error.message}` : 'it failed');
}
