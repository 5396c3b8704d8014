import { createServer } from 'node:http';
import { pino } from 'pino';
import { afterEach, expect, test } from 'vitest';
import { createHealth, healthRoute } from '../../../../src/worker/http/health.ts';
import { openHttpServer, type Routes } from '../../../../src/worker/http/server.ts';
import { freePort } from '../../../support/free-port.ts';

const logger = pino({ level: 'silent' });
let ending = new AbortController();
afterEach(() => {
  ending.abort();
  ending = new AbortController();
});

async function serve(routes: Routes): Promise<string> {
  const listen = `127.0.0.1:${await freePort()}`;
  await openHttpServer({ settings: { listen }, routes, logger, signal: ending.signal });
  return `http://${listen}`;
}

test('health is 200 while every part works, and 503 with each one that does not', async () => {
  const health = createHealth();
  const part: { fault?: string } = {};
  health.set('temporal', () => part.fault);
  health.set('workers', () => undefined);
  const base = await serve({ '/healthz': healthRoute(health) });
  expect((await fetch(`${base}/healthz`)).status).toBe(200);
  part.fault = 'the agent waits for it';
  const response = await fetch(`${base}/healthz`);
  expect(response.status).toBe(503);
  expect(await response.json()).toEqual({ status: 'fails', faults: { temporal: 'the agent waits for it' } });
});

test('answers 404 for another path, 405 for another method, and 503 for what fails', async () => {
  const base = await serve({
    '/metrics': { method: 'GET', answer: async () => Promise.resolve({ status: 200, body: 'text\n' }) },
    '/broken': { method: 'GET', answer: async () => Promise.reject(new Error('at /etc/secret')) },
  });
  expect((await fetch(`${base}/metrics?x=1`)).status).toBe(200);
  expect((await fetch(`${base}/`)).status).toBe(404);
  expect((await fetch(`${base}/toString`)).status).toBe(404);
  expect((await fetch(`${base}/metrics`, { method: 'POST' })).headers.get('allow')).toBe('GET');
  const broken = await fetch(`${base}/broken`);
  expect([broken.status, await broken.json()]).toEqual([503, { error: 'it failed' }]);
});

test('refuses an address that is taken', async () => {
  const other = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => other.once('listening', resolve));
  const { port } = other.address() as { port: number };
  const opening = openHttpServer({ settings: { listen: `127.0.0.1:${port}` }, routes: {}, logger, signal: ending.signal });
  await expect(opening).rejects.toMatchObject({ code: 'port-taken' });
  other.close();
});

test('listens on nothing if the config has no such section', async () => {
  await openHttpServer({ settings: undefined, routes: {}, logger, signal: ending.signal });
});
