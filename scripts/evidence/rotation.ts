/**
 * `node scripts/evidence/rotation.ts [objects] [kills]`: rotates the keys of 5,000 objects in a process that is killed 30 times, deletes the old
 * identity, and opens everything with the new one; docs/evidence.md keeps the outcome.
 */
import { rotationRound } from '../../test/support/rotation-round.ts';

const [objects = '5000', kills = '30'] = process.argv.slice(2);
const startedAtMs = Date.now();
const { renewedAtKills, result, broken } = await rotationRound({
  objects: Number(objects),
  kills: Number(kills),
});
console.log(`objects under the new keys at each kill: ${renewedAtKills.join(', ')}`);
console.log(JSON.stringify(result));
console.log(`${objects} objects, ${kills} kills, ${broken.length} broken promises, ${Math.round((Date.now() - startedAtMs) / 1000)} s`);
for (const promise of broken.slice(0, 20)) console.log(promise);
process.exitCode = broken.length === 0 ? 0 : 1;
