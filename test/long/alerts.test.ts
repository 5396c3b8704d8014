/** An agent that tells people: on a real server, a real web server and a real mail server. */
import { open, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { stringify } from 'yaml';
import type { Change } from '../../src/core/alerts/incident.ts';
import { mailSink, type Sink, webSink } from '../support/alert-sinks.ts';
import type { AgentProcess } from '../support/agent-process.ts';
import { DATABASE } from '../support/database-stack.ts';
import { filesBelow } from '../support/folder-hash.ts';
import { writeOrders } from '../support/odd-source.ts';
import { rstow } from '../support/rstow-command.ts';
import { openSceneWithoutAgent, type Scene } from '../support/scene.ts';
import { waitUntil } from '../support/wait-until.ts';

const PASSWORD = 'correct horse battery';
const LOOK_MS = 300;
const SURVEY_MS = 1_000;
const DEAD_MAN_MS = 1_000;
/** So long nothing more must come: many looks. */
const QUIET_MS = 5_000;

let scene: Omit<Scene, 'agent'>;
let agent: AgentProcess;
let web: Sink;
let mail: Sink;
let deadMan: Sink;

beforeAll(async () => {
  [web, mail, deadMan] = await Promise.all([webSink(), mailSink(PASSWORD), webSink()]);
  scene = await openSceneWithoutAgent({ temporalAddress: inject('temporalAddress'), workflowBundlePath: inject('workflowBundlePath') });
  await writeOrders(scene.stack.address, 3);
  agent = await scene.startAgent(await configFile());
});

afterAll(async () => {
  await scene.close();
  await Promise.all([web.close(), mail.close(), deadMan.close()]);
});

/** `check`: of the database's config. */
async function configFile(check: Record<string, number> = {}): Promise<string> {
  const { plain, folder } = scene.stack;
  const secrets = { password: PASSWORD, wrong: 'wrong', hook: `http://127.0.0.1:${web.port}/hook` };
  for (const [name, text] of Object.entries(secrets)) await writeFile(join(folder, name), text, { mode: 0o600 });
  const email = {
    kind: 'email',
    host: '127.0.0.1',
    port: mail.port,
    tls: 'never',
    from: 'rstow@example.org',
    to: ['dba@example.org'],
    user: 'agent',
  };
  const alerts = {
    lookMs: LOOK_MS,
    surveyMs: SURVEY_MS,
    targets: {
      chat: { kind: 'webhook', urlFile: join(folder, 'hook') },
      mail: { ...email, passwordFile: join(folder, 'password') },
      broken: { ...email, passwordFile: join(folder, 'wrong') },
    },
    deadMan: { url: `http://127.0.0.1:${deadMan.port}/`, everyMs: DEAD_MAN_MS },
  };
  const file = join(folder, `alerts-${JSON.stringify(check).length}.yaml`);
  const databases = { [DATABASE]: { ...plain.databases[DATABASE], check } };
  await writeFile(file, stringify({ ...plain, databases, alerts }));
  return file;
}

/** What the chat was told of one thing: `new`, `resolved`. */
function told(code: string): string[] {
  const changes = web.got.flatMap((body) => (JSON.parse(body) as { changes: Change[] }).changes);
  return changes.filter((change) => change.code === code).map(({ kind }) => kind);
}

const mailsWith = (text: string): number => mail.got.filter((body) => body.replaceAll('=\r\n', '').includes(text)).length;

it('tells of one incident once, though the agent is killed, and once that it is over; the dead man is called only then', async () => {
  await waitUntil('chat and mail are told', () => told('backup-not-found').length > 0 && mailsWith('CRITICAL backup-not-found') > 0);
  await agent.kill('SIGKILL');
  agent = await scene.startAgent(await configFile());
  await sleep(QUIET_MS);
  expect(told('backup-not-found')).toEqual(['new']);
  expect(mailsWith('CRITICAL backup-not-found')).toBe(1);
  expect(deadMan.got).toEqual([]);

  await scene.temporal.execute('hotBackup', { database: DATABASE });
  await waitUntil(
    'chat and mail are told that it is over',
    () => told('backup-not-found').length > 1 && mailsWith('RESOLVED backup-not-found') > 0,
  );
  await waitUntil('the dead man is called', () => deadMan.got.length > 1);
  await sleep(QUIET_MS);
  expect(told('backup-not-found')).toEqual(['new', 'resolved']);
  expect(mailsWith('RESOLVED backup-not-found')).toBe(1);
  const { text } = JSON.parse(web.got[0] ?? '') as { text: string };
  expect(text).toMatch(/^rstow: orders CRITICAL: backup-not-found/);
});

it('tells once of a run that has failed, and once that the next of its type has not, and nothing of a mistyped label', async () => {
  const verify = (backup: string) => scene.temporal.execute('verifyBackup', { database: DATABASE, backup });
  const pieces = await filesBelow(join(scene.stack.repositoryDir, 'databases', DATABASE, 'wal'));
  const piece = pieces.find((path) => path.endsWith('.wal.zst')) ?? '';
  await rename(piece, join(scene.stack.folder, 'piece'));
  await expect(verify('latest')).rejects.toThrow();
  await expect(verify('never-made')).rejects.toThrow();
  await waitUntil('the chat is told', () => told('run-failed').length > 0);
  await rename(join(scene.stack.folder, 'piece'), piece);
  await verify('latest');
  await expect(verify('never-made')).rejects.toThrow();
  await waitUntil('the chat is told that it is over', () => told('run-failed').length > 1);
  expect(told('run-failed')).toEqual(['new', 'resolved']);
  expect(mailsWith('the last verifyBackup failed: missing-object: ')).toBeGreaterThan(0);
});

it('counts by itself what a restart would lose, and tells of it', async () => {
  const [segment] = (await readdir(scene.stack.walDir)).filter((name) => name.endsWith('.wal')).sort();
  const path = join(scene.stack.walDir, segment ?? '');
  const sound = await readFile(path);
  const damaged = Buffer.from(sound);
  damaged[40] = 255 - (damaged[40] ?? 0);
  const put = async (bytes: Buffer): Promise<void> => {
    const file = await open(path, 'r+');
    await file.write(bytes, 0, bytes.length, 0);
    await file.close();
  };
  await put(damaged);
  await waitUntil('the chat is told', () => told('restart-unsafe').length > 0);
  await put(sound);
  await waitUntil('the chat is told that it is over', () => told('restart-unsafe').includes('resolved'));
});

it('says in a terminal what is wrong, and whether each target takes a test', async () => {
  const config = ['--config', await configFile()];
  const listed = await rstow(['alerts', 'list', ...config]);
  expect(listed).toMatchObject({ exitCode: 0 });
  expect(listed.stdout).toMatch(/^orders +/);
  const chats = web.got.length;
  const tested = await rstow(['alerts', 'test', ...config]);
  expect(tested).toMatchObject({ exitCode: 17 });
  expect(tested.stdout).toMatch(
    /chat +delivered\nmail +delivered\nbroken +NOT delivered: alert-not-delivered: [^]*does\s+not\s+accept\s+the\s+password[^]*what to do/,
  );
  expect(web.got.slice(chats).map((body) => (JSON.parse(body) as { kind: string }).kind)).toContain('test');
  expect(mailsWith('This is a test. Alerts of this agent come here.')).toBe(1);
  expect(await rstow(['alerts', 'test', '--target', 'chat', ...config])).toMatchObject({ exitCode: 0 });
  const misspelt = await rstow(['alerts', 'test', '--target', 'chatt', ...config]);
  expect(misspelt).toMatchObject({ exitCode: 2 });
  expect(misspelt.stderr).toContain('alerts.targets has no "chatt"');
});

it('tells of a backup that is too old; a target that was away is told once when it is back, and keeps no other waiting', async () => {
  await agent.kill();
  const { port, got } = web;
  await web.close();
  agent = await scene.startAgent(await configFile({ backedUpWithinMs: 1_000 }));
  await waitUntil('the mail is there', () => mailsWith('CRITICAL backup-too-old') > 0);
  await waitUntil('the agent says what it can’t deliver', () => /"target":"chat".*"code":"alert-not-delivered"/.test(agent.logText()));
  await sleep(DEAD_MAN_MS);
  const calls = deadMan.got.length;
  web = await webSink({ port });
  web.got.unshift(...got);
  await waitUntil('the chat is told', () => told('backup-too-old').length > 0);
  await sleep(QUIET_MS);
  expect(told('backup-too-old')).toEqual(['new']);
  expect(mailsWith('CRITICAL backup-too-old')).toBe(1);
  expect(deadMan.got).toHaveLength(calls);
  const lines = agent.logText().split('\n');
  expect(lines.filter((line) => line.includes('"target":"chat"') && line.includes('can’t be reached'))).toHaveLength(1);
  expect(lines.filter((line) => line.includes('"target":"broken"'))).toEqual([
    expect.stringContaining('does not accept the password of agent'),
  ]);
});
