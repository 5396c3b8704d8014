/**
 * What a year of backups costs whoever works with it: makes the repository in an empty folder, with a log as long as the
 * year's, asks it what list, info, latest and the next backup ask, and backs up with nothing new.
 * `node scripts/evidence/year/look-at-a-year.ts [FOLDER] [BACKUPS]`; docs/evidence.md keeps the outcome.
 */
import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describeProtection } from '../../../src/activities/catalogue/describe-protection.ts';
import { readBackups } from '../../../src/activities/catalogue/list-backups.ts';
import { generateDataSet } from '../../../bench/generator/data-set.ts';
import { benchDeps, claimDatabase, DATABASE } from '../../../bench/pipeline/bench-agent.ts';
import { backUp, foldersOf } from '../../../bench/pipeline/pipeline-steps.ts';
import { manifestKey } from '../../../src/core/repository/object-keys.ts';
import { BACKUPS_A_YEAR, writeYear } from './year-of-backups.ts';

/** Of new log that each backup of the year finds. */
const BYTES_EACH = 100_000;
const BYTES_PER_MB = 1_000_000;
const UNCHANGED_ROUNDS = 5;

const [given, count = String(BACKUPS_A_YEAR)] = process.argv.slice(2);
const backups = Number(count);
const folder = given ?? (await mkdtemp(join(tmpdir(), 'rstow-year-')));
const folders = foldersOf(folder);
const { repositoryDir, dataDir } = folders;
await mkdir(repositoryDir, { recursive: true });
const deps = benchDeps(folders);
const timeline = await claimDatabase(deps);

async function timed(what: string, work: () => Promise<unknown>): Promise<void> {
  const before = process.cpuUsage();
  const beganAtMs = performance.now();
  await work();
  const { user, system } = process.cpuUsage(before);
  const [seconds, cpuSeconds] = [(performance.now() - beganAtMs) / 1000, (user + system) / 1_000_000];
  process.stdout.write(`${what}: ${seconds.toFixed(2)} s, of CPU ${cpuSeconds.toFixed(2)} s\n`);
}

async function objectCount(): Promise<number> {
  const entries = await readdir(repositoryDir, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).length;
}

// Somewhat longer than the year's log, so that its backup is the newest: the year's pieces are names only.
const sizeMb = Math.ceil((backups * BYTES_EACH) / BYTES_PER_MB);
await timed(`writing a log of ${sizeMb} MB`, async () => generateDataSet(dataDir, { sizeMb, withSnapshots: false }));
await timed('the backup that stores it', () => backUp(deps, { label: 'first', timeline }));
const objectsBefore = await objectCount();
let newestBytes = 0;
await timed(`writing ${backups} backups`, async () => {
  const { label } = await writeYear({ root: repositoryDir, database: DATABASE, backups, bytesEach: BYTES_EACH });
  newestBytes = (await readFile(join(repositoryDir, manifestKey(DATABASE, label)))).length;
});
process.stdout.write(`the newest manifest of the year: ${newestBytes} bytes\n`);
process.stdout.write(`objects: ${objectsBefore} of the log and its backup, ${(await objectCount()) - objectsBefore} of the year\n`);
await timed('list', () => readBackups(deps)({ database: DATABASE, limit: 100 }));
await timed('list --limit 1', () => readBackups(deps)({ database: DATABASE, limit: 1 }));
await timed('info', () => describeProtection(deps)({ database: DATABASE }));
await timed('latest', async () => (await deps.openStore(DATABASE)).backups.find('latest'));
await timed('the newest of a timeline', async () =>
  (await deps.openStore(DATABASE)).backups.newestOfTimeline({ timeline, exceptRunId: 'none' }),
);
for (let round = 1; round <= UNCHANGED_ROUNDS; round += 1) {
  await timed('a backup with nothing new', () => backUp(deps, { label: `unchanged-${round}`, timeline }));
}
if (given === undefined) await rm(folder, { recursive: true });
