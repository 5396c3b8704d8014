/**
 * `node scripts/evidence/archive/throughput.ts [PAIRS] [FSYNC_POLICY]`: what a server does for 16 writers at full speed while its log is
 * archived and guarded, against one without an agent, in turns of ten seconds; docs/benchmarks.md keeps the outcome. Needs rstmdb and
 * temporal on PATH.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { openArchivedHost } from '../../../test/support/archived-host.ts';
import { startCounterWriters } from '../../../test/support/counter-writers.ts';
import { makeDatabaseStack } from '../../../test/support/database-stack.ts';
import { startOwnServices } from '../../../test/support/own-services.ts';

const RATIO_MIN = 0.95;
const WRITERS = 16;
const WARM_UP_MS = 1_000;
const TURN_MS = 10_000;

const [pairs = '30', policy = 'every_write'] = process.argv.slice(2);
const options = { segmentSizeMb: 64, serverEnv: { RSTMDB_FSYNC_POLICY: policy } };
const services = await startOwnServices();
const archived = await openArchivedHost(services, options);
const bare = await makeDatabaseStack({ temporalAddress: services.temporalAddress, ...options });
const rates = { archived: [] as number[], bare: [] as number[] };
try {
  for (let pair = 0; pair < Number(pairs); pair += 1) {
    const first = pair % 2 === 0 ? ('archived' as const) : ('bare' as const);
    await turn(first);
    await turn(first === 'archived' ? 'bare' : 'archived');
    console.log(`pair ${pair + 1}: ${rates.archived.at(-1)} archived, ${rates.bare.at(-1)} bare (records a second)`);
  }
} finally {
  await bare.remove();
  await archived.close();
  await services.stop();
}
const ratios = rates.archived.map((rate, pair) => rate / (rates.bare[pair] ?? Number.NaN)).sort((one, other) => one - other);
const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
const quartile = (share: number): string => (ratios[Math.floor(ratios.length * share)] ?? Number.NaN).toFixed(3);
const ratio = sum(rates.archived) / sum(rates.bare);
console.log(`${ratio.toFixed(3)} of all records without; of the pairs: ${quartile(0.25)}, ${quartile(0.5)}, ${quartile(0.75)} (quartiles)`);
console.log(ratio >= RATIO_MIN ? 'held' : 'BROKEN');
process.exitCode = ratio >= RATIO_MIN ? 0 : 1;

async function turn(which: keyof typeof rates): Promise<void> {
  const { address } = which === 'archived' ? archived.stack : bare;
  const writers = await startCounterWriters(address, { writers: WRITERS });
  await sleep(WARM_UP_MS);
  const [beganAtMs, begun] = [performance.now(), writers.ticks.length];
  await sleep(TURN_MS);
  const [seconds, written] = [(performance.now() - beganAtMs) / 1_000, writers.ticks.length - begun];
  await writers.stop();
  rates[which].push(Math.round(written / seconds));
}
