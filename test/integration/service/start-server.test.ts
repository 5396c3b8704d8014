import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openServer } from '../../../src/database/database.ts';
import { startServer } from '../../../src/database/server-start.ts';
import { processesWithOpenFilesUnder } from '../../../src/io/process/open-files.ts';
import { type DatabaseStack, makeDatabaseStack } from '../../support/database-stack.ts';
import { toolPath } from '../../support/tools.ts';

let stack: DatabaseStack;

beforeAll(async () => {
  stack = await makeDatabaseStack({ temporalAddress: 'nobody:1' });
});

afterAll(() => stack.remove());

it('waits for the server that somebody else’s loop has started and that still replays its log', async () => {
  await stack.service.stop();
  const { service } = stack.settings;
  const env = service.kind === 'process' ? service.env : {};
  // It holds the log open for a while before it opens its port, as a server with much to replay does.
  const script = `exec 9>>${stack.walDir}/0000000000000001.wal; echo open; sleep 1; exec ${toolPath('rstmdb')}`;
  const stranger = spawn('sh', ['-c', script], { env: { PATH: process.env['PATH'] ?? '', ...env }, stdio: ['ignore', 'pipe', 'ignore'] });
  try {
    await once(stranger.stdout, 'data');
    await stack.startServer();
    expect((await processesWithOpenFilesUnder(stack.walDir, { writersOnly: true })).map(({ pid }) => pid)).toEqual([stranger.pid]);
  } finally {
    stranger.kill('SIGKILL');
    await once(stranger, 'exit');
  }
});

it.each([
  ['token', { tokenFile: '/nonexistent/token' }],
  ['TLS', { tls: { caFile: '/nonexistent/ca.pem' } }],
])('takes a server for up whose %s files on our side can’t be read', async (_what, unreadable) => {
  const server = { ...stack.settings.server, ...unreadable };
  await startServer(openServer({ ...stack.settings, server, startTimeoutMs: 10_000 }, stack.config.timing));
  expect(await stack.service.isRunning()).toBe(true);
});
