/**
 * `node scripts/evidence/archive/day.ts [HOURS] [TURNS]`: an archive over a day that passes in minutes, of a database that hardly writes
 * and of a busy one, by the follower's own code and the defaults of the config; then some hundred turns of its workflow in a real
 * Temporal. What it keeps must not grow with time. docs/evidence.md keeps the outcome. Needs rstmdb and temporal on PATH. Sooner with
 * TMPDIR in memory, and as an agent with NODE_OPTIONS="--max-semi-space-size=4 --v8-pool-size=1".
 */
import { type DayReport, liveThrough } from '../../../test/support/archive-day.ts';
import { turnArchive } from './archive-turns.ts';
import { backUp } from '../../../test/support/direct-backup.ts';
import { makeOddSource, writeOrders } from '../../../test/support/odd-source.ts';
import { startOwnServices } from '../../../test/support/own-services.ts';

const MIB = 1024 * 1024;
const KEPT_HOUR = 3_600;

const [hours = '24', turns = '300'] = process.argv.slice(2);
const broken = [
  ...(await day('hardly any writes', { recordBytes: 250, segmentBytes: 64 * MIB })),
  ...(await day('busy', { recordBytes: 20_000, segmentBytes: 16 * MIB })),
  ...(await manyTurns(Number(turns))),
];
console.log(broken.length === 0 ? 'held' : 'BROKEN');
for (const sentence of broken) console.log(`  ${sentence}`);
process.exitCode = broken.length === 0 ? 0 : 1;

async function day(name: string, kind: { recordBytes: number; segmentBytes: number }): Promise<string[]> {
  const stack = await makeOddSource({ database: { archive: {} } });
  try {
    await writeOrders(stack.address, 1, 'before');
    const report = await liveThrough(stack, { seconds: Number(hours) * 3_600, tidySeconds: 60, ...kind });
    await stack.startServer();
    const manifest = await backUp(stack);
    const manifestBytes = JSON.stringify(manifest).length;
    console.log(`${name}: ${JSON.stringify({ ...report, manifestBytes })}`);
    return brokenBounds(name, report, manifestBytes);
  } finally {
    await stack.remove();
  }
}

/** An object of an hour, those of the last minute, and what they were merged into; a few of everything else for each segment. */
function brokenBounds(name: string, { most, segments, lookMs }: DayReport, manifestBytes: number): string[] {
  const bounds: [string, number, number][] = [
    ['objects in stream/', most.stream, KEPT_HOUR * 1.2],
    ['objects in times/', most.times, segments + 20],
    ['files in wal/, sidecars included', most.wal, 2 * segments + 80],
    ['pins', most.pins, 10],
    ['bytes of a manifest', manifestBytes, 2_000 + segments * 400],
    ['milliseconds of a look, last to first', lookMs.last / lookMs.first, 3],
  ];
  return bounds.filter(([, value, limit]) => value > limit).map(([what, value, limit]) => `${name}: ${value} ${what}, of at most ${limit}`);
}

async function manyTurns(count: number): Promise<string[]> {
  const services = await startOwnServices();
  try {
    const report = await turnArchive(services, count);
    console.log(`turns: ${JSON.stringify(report)}`);
    return report.eventsMost <= 1_100 && report.open === 1 ? [] : ['a history of the workflow is too long'];
  } finally {
    await services.stop();
  }
}
