/**
 * `node scripts/evidence/bounds.ts`: thirty hot backups under 16 writers at full speed, each restored to another
 * directory and compared byte for byte; docs/evidence.md keeps the outcome. Needs rstmdb and temporal on PATH.
 */
import { boundsRound, type BoundsRound } from '../../test/support/bounds-round.ts';
import type { AcknowledgedWrite } from '../../test/support/load-writers.ts';
import { openScene } from '../../test/support/scene.ts';
import { startTemporalServer } from '../../test/support/temporal-server.ts';

/** A database begins anew after some rounds: each restores all of it. */
const DATABASES = 6;
const ROUNDS_EACH = 5;

const temporal = await startTemporalServer();
const rounds: BoundsRound[] = [];
try {
  for (let database = 1; database <= DATABASES; database += 1) rounds.push(...(await roundsOnNewDatabase(temporal.address)));
} finally {
  await temporal.stop();
}
const sum = (of: (round: BoundsRound) => number): number => rounds.reduce((total, round) => total + of(round), 0);
console.log(
  `${rounds.length} rounds held: ${sum((round) => round.recordsChecked)} acknowledged records looked up, ` +
    `${sum((round) => round.bytesCompared)} bytes compared, ${sum((round) => round.writtenMeanwhile)} records written during the backups; ` +
    `longest backup ${Math.max(...rounds.map((round) => round.backupMs))} ms, longest restore ${Math.max(...rounds.map((round) => round.restoreMs))} ms`,
);

async function roundsOnNewDatabase(temporalAddress: string): Promise<BoundsRound[]> {
  const scene = await openScene({ temporalAddress }, { segmentSizeMb: 4 });
  const writes: AcknowledgedWrite[] = [];
  const done: BoundsRound[] = [];
  try {
    while (done.length < ROUNDS_EACH) {
      const round = await boundsRound(scene, writes);
      console.log(JSON.stringify(round));
      done.push(round);
    }
    return done;
  } finally {
    await scene.close();
  }
}
