/**
 * Kills backups from LVM snapshots at random moments, on real logical volumes in a kernel of their own, and looks what is left behind:
 * `node scripts/evidence/lvm-kills.ts [kills]`. As root, with the packages of scripts/host-tools.sh.
 */
import { LVM_CASES } from '../../test/support/lvm-guest.ts';
import { lackForLvm, runLvmCases } from '../../test/support/lvm-host.ts';

const KILLS = 30;
const TIMEOUT_MS = 3_600_000;

const lack = lackForLvm();
if (lack !== undefined) throw new Error(`this host lacks what it takes:${lack}`);
const { outcomes, output, durationMs } = await runLvmCases({ kills: Number(process.argv[2] ?? KILLS), timeoutMs: TIMEOUT_MS });
for (const name of LVM_CASES) {
  const outcome = outcomes.get(name);
  console.log(
    `${outcome === undefined || outcome.failure !== undefined ? 'BROKEN' : 'held'}  ${name} (${((outcome?.ms ?? 0) / 1000).toFixed(1)} s)`,
  );
  console.log(`        ${outcome?.failure ?? JSON.stringify(outcome?.facts)}`);
}
const held = [...outcomes.values()].filter(({ failure }) => failure === undefined).length;
console.log(`${held} of ${LVM_CASES.length} cases held, in ${(durationMs / 1000).toFixed(0)} s`);
if (held < LVM_CASES.length) console.log(output.slice(-3000));
process.exitCode = held === LVM_CASES.length ? 0 : 1;
