/**
 * `node scripts/evidence/archive/lost-data.ts [ROUNDS]`: an archived database loses its agent, its server and its data directory at a
 * random moment, with writers at full speed and compactions; docs/evidence.md keeps the outcome. Needs rstmdb and temporal on PATH.
 */
import { openArchivedHost } from '../../../test/support/archived-host.ts';
import { type LostData, loseData } from '../../../test/support/lost-data.ts';
import { startOwnServices } from '../../../test/support/own-services.ts';

const AFTER_MS_MIN = 3_000;
const AFTER_MS_MAX = 20_000;

const [rounds = '20'] = process.argv.slice(2);
const services = await startOwnServices();
const held: LostData[] = [];
let broken = 0;
try {
  for (let round = 1; round <= Number(rounds); round += 1) await loseOne(round);
} finally {
  await services.stop();
}
const sum = (of: (lost: LostData) => number): number => held.reduce((total, lost) => total + of(lost), 0);
console.log(
  `${held.length} rounds held, ${broken} broken: ${sum(({ promised }) => promised)} promised records looked up, ` +
    `${sum(({ segmentsDeleted }) => segmentsDeleted)} segments deleted by compaction; ` +
    `at most the last ${Math.max(...held.map(({ lossMs }) => lossMs))} ms were lost`,
);
process.exitCode = broken === 0 ? 0 : 1;

async function loseOne(round: number): Promise<void> {
  const host = await openArchivedHost(services, { segmentSizeMb: 1 });
  try {
    const lost = await loseData(host, AFTER_MS_MIN + Math.random() * (AFTER_MS_MAX - AFTER_MS_MIN));
    held.push(lost);
    console.log(`held  round ${round}: ${JSON.stringify(lost)}`);
  } catch (error) {
    broken += 1;
    console.log(`BROKEN  round ${round}: ${String(error)}`);
  } finally {
    await host.close();
  }
}
