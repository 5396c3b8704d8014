/**
 * How long a look at a year of backups takes: makes the repository in a folder, and asks it what list, info, latest and the
 * next backup ask. `node scripts/evidence/year/look-at-a-year.ts [FOLDER] [BACKUPS]`
 */
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describeProtection } from '../../../src/activities/catalogue/describe-protection.ts';
import { readBackups } from '../../../src/activities/catalogue/list-backups.ts';
import { benchDeps, DATABASE } from '../../../bench/pipeline/bench-agent.ts';
import { manifestKey } from '../../../src/core/repository/object-keys.ts';
import { BACKUPS_A_YEAR, writeYear } from './year-of-backups.ts';

const [given, count = String(BACKUPS_A_YEAR)] = process.argv.slice(2);
const folder = given ?? (await mkdtemp(join(tmpdir(), 'rstow-year-')));
const repositoryDir = join(folder, 'repository');
await mkdir(repositoryDir, { recursive: true });
const deps = benchDeps({ dataDir: join(folder, 'data'), repositoryDir, stateDir: join(folder, 'state') });
await deps.openStore(DATABASE);
const { agent } = deps;

async function timed(what: string, work: () => Promise<unknown>): Promise<void> {
  const before = process.cpuUsage();
  const beganAtMs = performance.now();
  await work();
  const { user, system } = process.cpuUsage(before);
  const [seconds, cpuSeconds] = [(performance.now() - beganAtMs) / 1000, (user + system) / 1_000_000];
  process.stdout.write(`${what}: ${seconds.toFixed(2)} s, of CPU ${cpuSeconds.toFixed(2)} s\n`);
}

const backups = Number(count);
let newestBytes = 0;
await timed(`writing ${backups} backups`, async () => {
  const { label } = await writeYear({
    root: repositoryDir,
    database: DATABASE,
    backups,
    bytesEach: 100_000,
    installationId: agent.installationId,
  });
  newestBytes = (await readFile(join(repositoryDir, manifestKey(DATABASE, label)))).length;
});
process.stdout.write(`the newest manifest: ${newestBytes} bytes\n`);
await timed('list', () => readBackups(deps)({ database: DATABASE, limit: 100 }));
await timed('list --limit 1', () => readBackups(deps)({ database: DATABASE, limit: 1 }));
await timed('info', () => describeProtection(deps)({ database: DATABASE }));
await timed('latest', async () => (await deps.openStore(DATABASE)).backups.find('latest'));
await timed('the newest of a timeline', async () =>
  (await deps.openStore(DATABASE)).backups.newestOfTimeline({ timeline: '0001', exceptRunId: 'none' }),
);
if (given === undefined) await rm(folder, { recursive: true });
