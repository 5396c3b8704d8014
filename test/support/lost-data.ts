/** One round of the proof that a host which is lost at any moment costs no more than the last second and a half. */
import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { endHolders } from '../../src/io/service/prove-stopped.ts';
import { copyDigest } from './archived-copy.ts';
import { type ArchivedHost, startCompactor } from './archived-host.ts';
import { readWal, requireWrite } from './bounds-round.ts';
import { startCounterWriters, type Tick, writeOf } from './counter-writers.ts';
import { DATABASE } from './database-stack.ts';
import { recoverElsewhere } from './direct-backup.ts';

const WRITERS = 16;
const COMPACT_EVERY_MS = 700;

/** How much of the end of a log may be lost. */
export const LOSS_MS_MAX = 1_500;

export type LostData = {
  /** How long the writers wrote. */
  writtenMs: number;
  acknowledged: number;
  promised: number;
  /** Between the end of what came back and the end of the host; what was acknowledged in no more than that is gone. */
  lossMs: number;
  segments: number;
  segmentsDeleted: number;
};

/**
 * Writers at full speed, then agent, server and data directory are gone at once, and what is stored is recovered up to its end, with a
 * rehearsal by a real server. Throws if a promise is broken.
 */
export async function loseData(host: ArchivedHost, afterMs: number): Promise<LostData> {
  const { stack } = host;
  await host.temporal.execute('hotBackup', { database: DATABASE });
  const writers = await startCounterWriters(stack.address, { writers: WRITERS });
  const compactor = startCompactor(stack.address, COMPACT_EVERY_MS);
  await sleep(afterMs);
  const lostAtMs = Date.now();
  const killed = host.currentAgent().kill('SIGKILL');
  await endHolders(stack.dataDir, { graceMs: 0 });
  await rm(stack.dataDir, { recursive: true });
  await killed;
  await Promise.all([writers.stop(), compactor.stop()]);
  const copyDir = join(stack.folder, 'recovered');
  const { stateDigest } = await recoverElsewhere(stack, { target: { latest: true } }, copyDir);
  const wal = await readWal(join(copyDir, 'wal'));
  const promised = writers.ticks.filter(({ acknowledgedAtMs }) => acknowledgedAtMs <= lostAtMs - LOSS_MS_MAX);
  assert.ok(promised.length > 0, 'something was promised');
  for (const tick of promised) requireWrite(wal, writeOf(tick));
  assert.equal(await copyDigest(stack, copyDir), stateDigest);
  const lost = writers.ticks.filter((tick) => !isIn(wal, tick));
  const firstLostMs = Math.min(lostAtMs, ...lost.map(({ acknowledgedAtMs }) => acknowledgedAtMs));
  return {
    writtenMs: Math.round(afterMs),
    acknowledged: writers.ticks.length,
    promised: promised.length,
    lossMs: lostAtMs - firstLostMs,
    segments: wal.size,
    segmentsDeleted: compactor.segmentsDeleted(),
  };
}

function isIn(wal: Parameters<typeof requireWrite>[0], tick: Tick): boolean {
  try {
    requireWrite(wal, writeOf(tick));
    return true;
  } catch {
    return false;
  }
}
