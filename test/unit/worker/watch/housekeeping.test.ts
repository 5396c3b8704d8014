import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { agentConfigSchema } from '../../../../src/config/agent-config.ts';
import type { Logger } from '../../../../src/worker/telemetry/agent-logger.ts';
import { startStopNoteWatch } from '../../../../src/worker/watch/housekeeping.ts';
import { waitUntil } from '../../../support/wait-until.ts';

let root: string;
const stopping: AbortController[] = [];

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'rstow-stop-notes-'));
});
afterEach(async () => {
  for (const stop of stopping.splice(0)) stop.abort();
  await rm(root, { recursive: true, force: true });
});

const startedFile = (name: string): string => join(root, `${name}-started`);

/** What a restore that died leaves while its server is down: its note, and the block that no server starts on. */
async function stopped(name: string, changes: Record<string, unknown> = {}): Promise<Record<string, unknown>> {
  const dataDir = join(root, name);
  await mkdir(join(dataDir, 'wal'), { recursive: true });
  await mkdir(join(dataDir, '.rstow'), { recursive: true });
  await writeFile(join(dataDir, 'wal', '0000000000000001.wal'), 'x');
  await writeFile(join(dataDir, 'snapshots'), 'rstow: no start while rstow has the server down (run r1); rstow removes this file itself\n');
  const { ino } = await stat(join(dataDir, 'wal'), { bigint: true });
  const places = { stagedWal: '.rstow/restores/r1/wal', replacedDir: '.rstow/restores/r1/replaced' };
  const wals = { oldWal: { inode: String(ino) }, newWal: { inode: '999999999' } };
  const times = { deadlineMs: 0, createdAtMs: 0, holder: { pid: 999_999, startTicks: 1 } };
  const note = { format: 1, kind: 'swap', runId: 'r1', database: name, phase: 'stopping', ...places, ...wals, ...times, ...changes };
  await writeFile(join(dataDir, '.rstow', 'stop.json'), JSON.stringify(note));
  return databaseOf(dataDir, ['touch', startedFile(name)]);
}

function databaseOf(dataDir: string, start: string[]): Record<string, unknown> {
  const service = { kind: 'commands', start, stop: ['true'], status: ['false'] };
  return { server: { address: '127.0.0.1:9' }, dataDir, repositories: ['r'], startTimeoutMs: 2_000, service };
}

function watch(databases: Record<string, unknown>): { lines: string[] } {
  const config = agentConfigSchema.parse({
    repositories: { r: { kind: 'folder', path: '/r' } },
    databases,
    timing: { serverRequestMs: 300 },
  });
  const lines: string[] = [];
  const warn = (facts: { err?: Error }, message: string): void =>
    void lines.push(`${message}: ${facts.err?.message ?? JSON.stringify(facts)}`);
  const stop = new AbortController();
  stopping.push(stop);
  startStopNoteWatch({ config, configFile: '/nonexistent' }, { logger: { warn } as unknown as Logger, signal: stop.signal });
  return { lines };
}

it('starts one database’s server though another’s can’t start, and names that one', async () => {
  const broken = { ...(await stopped('broken')), service: { kind: 'commands', start: ['false'], stop: ['true'], status: ['false'] } };
  const { lines } = watch({ broken, sound: await stopped('sound') });
  await waitUntil('the sound server is started', () => existsSync(startedFile('sound')));
  await waitUntil('the broken one is told', () => lines.some((line) => line.includes('stop note of broken')));
});

it.each([
  [{ format: 2 }, 'is a stop note of format 2, and this version of rstow knows format 1'],
  [{ kind: 'rebase' }, 'is a stop note of kind "rebase", and this version of rstow knows swap and stopped'],
])('starts the server in spite of a note that this version can’t read, lifts the block, and keeps the note: %j', async (changes, says) => {
  const newer = await stopped('newer', changes);
  const { lines } = watch({ newer });
  await waitUntil('the server is started', () => existsSync(startedFile('newer')));
  await waitUntil('the note is put aside', async () =>
    (await readdir(join(root, 'newer', '.rstow'))).some((name) => name.startsWith('stop-unreadable-')),
  );
  expect(await readdir(join(root, 'newer'))).toEqual(['.rstow', 'wal']);
  await waitUntil('it is told in words', () => lines.some((line) => line.includes(says)));
});

it('starts nothing on a note that it can’t read where no log is in place, and says what to do', async () => {
  const lost = await stopped('lost', { format: 2 });
  await rm(join(root, 'lost', 'wal'), { recursive: true });
  const { lines } = watch({ lost });
  await waitUntil('it is told', () => lines.some((line) => /another version of rstow.*start that version’s agent/.test(line)));
  expect(existsSync(startedFile('lost'))).toBe(false);
  expect(await readdir(join(root, 'lost', '.rstow'))).toEqual(['stop.json']);
});
