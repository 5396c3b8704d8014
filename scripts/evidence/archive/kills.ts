/**
 * `node scripts/evidence/archive/kills.ts [KILLS]`: kills an archive's agent, Temporal, server or all of them at random moments, ten kills
 * a database, and checks what CI checks at a few; docs/evidence.md keeps the outcome. Needs rstmdb and temporal on PATH.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { type KilledArchive, openKilledArchive, VICTIMS } from '../../../test/crash/support/killed-archive.ts';
import { startOwnServices } from '../../../test/support/own-services.ts';

const KILLS_OF_DATABASE = 10;
const BETWEEN_MS_MAX = 5_000;
const BACK_MS_MAX = 3_000;

const [wanted = '60'] = process.argv.slice(2);
const services = await startOwnServices();
const caughtUpMs: number[] = [];
let kills = 0;
let broken = 0;
try {
  while (kills < Number(wanted)) await killOnOneDatabase(Math.min(KILLS_OF_DATABASE, Number(wanted) - kills));
} finally {
  await services.stop();
}
const sorted = caughtUpMs.toSorted((one, other) => one - other);
console.log(
  `${kills} kills, ${broken} broken promises; the archive had caught up after ${sorted[sorted.length >> 1]} ms (median), ${sorted.at(-1)} ms at most`,
);
process.exitCode = broken === 0 ? 0 : 1;

async function killOnOneDatabase(count: number): Promise<void> {
  const archive = await openKilledArchive(services);
  try {
    for (let done = 0; done < count; done += 1) await killOnce(archive);
    const { broken: sentences, ...ended } = await archive.end();
    say(`all of it compared: ${JSON.stringify(ended)}`, sentences);
  } finally {
    await archive.close();
  }
}

/** Half of them come while the archive still recovers from the one before. */
async function killOnce(archive: KilledArchive): Promise<void> {
  const victim = VICTIMS[kills % VICTIMS.length] ?? 'all';
  const [afterMs, backAfterMs] = [Math.random() * BETWEEN_MS_MAX, Math.random() * BACK_MS_MAX].map(Math.round) as [number, number];
  await sleep(afterMs);
  await archive.kill(victim, backAfterMs);
  kills += 1;
  const what = `kill ${kills}: ${victim}, after ${afterMs} ms, back after ${backAfterMs} ms`;
  if (Math.random() < 0.5) {
    say(what, []);
    return;
  }
  const settled = await archive.settle();
  caughtUpMs.push(settled.caughtUpMs);
  say(`${what}, caught up after ${settled.caughtUpMs} ms`, settled.broken);
}

function say(what: string, sentences: readonly string[]): void {
  broken += sentences.length;
  console.log(`${sentences.length === 0 ? 'held' : 'BROKEN'}  ${what}`);
  for (const sentence of sentences) console.log(`  ${sentence}`);
}
