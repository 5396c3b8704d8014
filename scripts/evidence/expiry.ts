/**
 * `node scripts/evidence/expiry.ts [kills]`: lets backups expire in a process that is killed 50 times at random; docs/evidence.md keeps the outcome.
 */
import { expiryRound } from '../../test/support/expiry-round.ts';

const [kills = '50'] = process.argv.slice(2);
const startedAtMs = Date.now();
const { killed, broken } = await expiryRound({ kills: Number(kills) });
console.log(killed.join('\n'));
console.log(`${kills} kills, ${broken.length} broken promises, ${Math.round((Date.now() - startedAtMs) / 1000)} s`);
for (const promise of broken.slice(0, 20)) console.log(promise);
process.exitCode = broken.length === 0 ? 0 : 1;
