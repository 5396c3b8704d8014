/** The archive beside writers at full speed whose server compacts meanwhile: how far behind it was, and what it cost. */
import { stat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { listSegments } from '../../src/io/data-directory/segments.ts';
import { type Lag, measureLag } from './archive-lag.ts';
import { type ArchivedHost, startCompactor } from './archived-host.ts';
import { startCounterWriters, type Tick } from './counter-writers.ts';
import { type Usage, usageOf } from './process-usage.ts';

const WRITERS = 16;
const COMPACT_EVERY_MS = 5_000;
const SAMPLE_MS = 1_000;
/** The last records have come into the archive by then. */
const SETTLE_MS = 20_000;

export type ArchiveLoad = {
  seconds: number;
  lag: Lag;
  refused: Record<string, number>;
  compactions: number;
  segmentsDeleted: number;
  writtenBytes: number;
  /** Of the agent, what it takes with nothing to do left out. */
  cpuSecondsPerGb: number;
  idleRssMb: number;
  peakRssMb: number;
};

/** Nothing is to be written by anybody else meanwhile. */
export async function loadArchive(
  host: ArchivedHost,
  { seconds, idleSeconds = 10 }: { seconds: number; idleSeconds?: number },
): Promise<ArchiveLoad> {
  const { stack } = host;
  const agent = (): Usage => usageOf(host.currentAgent().pid);
  const idleBefore = agent();
  await sleep(idleSeconds * 1000);
  const idle = agent();
  const idleShare = (idle.cpuSeconds - idleBefore.cpuSeconds) / idleSeconds;
  const beforeBytes = await logBytes(stack.walDir);
  const writers = await startCounterWriters(stack.address, { writers: WRITERS });
  const compactor = startCompactor(stack.address, COMPACT_EVERY_MS);
  const peakRssMb = await peakRss(agent, seconds);
  await writers.stop();
  await compactor.stop();
  const used = agent().cpuSeconds - idle.cpuSeconds - idleShare * seconds;
  const writtenBytes = (await logBytes(stack.walDir)) - beforeBytes;
  return {
    seconds,
    lag: await settledLag(stack.repositoryDir, writers.ticks),
    refused: Object.fromEntries(writers.refused),
    compactions: compactor.compactions(),
    segmentsDeleted: compactor.segmentsDeleted(),
    writtenBytes,
    cpuSecondsPerGb: Number((used / (writtenBytes / 1e9)).toFixed(1)),
    idleRssMb: idle.rssMb,
    peakRssMb,
  };
}

async function peakRss(agent: () => Usage, seconds: number): Promise<number> {
  let peakMb = 0;
  const untilMs = performance.now() + seconds * 1000;
  while (performance.now() < untilMs) {
    await sleep(SAMPLE_MS);
    peakMb = Math.max(peakMb, agent().rssMb);
  }
  return peakMb;
}

/** What compaction has deleted is linked back by the guard, a moment later. */
async function logBytes(walDir: string): Promise<number> {
  await sleep(3_000);
  const sizes = await Promise.all(((await listSegments(walDir)) ?? []).map(async ({ path }) => (await stat(path)).size));
  return sizes.reduce((sum, size) => sum + size, 0);
}

async function settledLag(repositoryDir: string, ticks: readonly Tick[]): Promise<Lag> {
  const untilMs = performance.now() + SETTLE_MS;
  for (;;) {
    const lag = await measureLag(repositoryDir, ticks);
    if (lag.missing === 0 || performance.now() > untilMs) return lag;
    await sleep(SAMPLE_MS);
  }
}
