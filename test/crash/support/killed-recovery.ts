/** A database whose hosts burn one after another, and recoveries whose new host's agent is killed. */
import type { DisasterRecoveryResult } from '../../../src/contract/disaster-recovery.ts';
import { DATABASE } from '../../support/database-stack.ts';
import type { SharedServices } from '../../support/scene.ts';
import { type CrashScene, openCrashScene } from './crash-scene.ts';
import { type KilledRun, runWithKills, untilSeen, type Victim } from './kill-run.ts';
import { loseHost, type LoseHostOptions, type LostHost } from './lost-host.ts';
import type { RecoveryPoint } from './recovery-point.ts';
import { msUntilItAnswers } from './server-process.ts';

/** Of a test with one of them: it waits ten seconds for the lost owner, and is done again where a point passed unseen. */
export const RECOVERY_TIMEOUT_MS = 240_000;

export type KilledRecovery = {
  lost: LostHost;
  killed: KilledRun<DisasterRecoveryResult>;
  /** When the new server answered the test for the first time, and when the run had ended. */
  firstAnswerAtMs: number;
  endedAtMs: number;
};

export type BurningHosts = {
  /** Burns the present owner's host and recovers onto an empty one; its agent, or the victim, is killed at each of the points. */
  recoverWithKills: (points: readonly RecoveryPoint[], options?: RecoverOptions) => Promise<KilledRecovery>;
  close: () => Promise<void>;
};

export type RecoverOptions = Pick<LoseHostOptions, 'database'> & { victim?: (scene: CrashScene) => Victim };

export async function openBurningHosts(shared: SharedServices): Promise<BurningHosts> {
  const first = await openCrashScene(shared);
  let owner = first;
  let hosts = 1;
  const recoverOnce: BurningHosts['recoverWithKills'] = async (points, { victim, ...options } = {}) => {
    hosts += 1;
    const leavesOldData = points.some(({ needsOldData }) => needsOldData === true);
    const lost = await loseHost(owner, first.stack, { name: `db${hosts}`, leavesOldData, ...options });
    owner = lost.scene;
    const input = { database: DATABASE, agent: `db${hosts}`, discardNewer: leavesOldData };
    const answered = msUntilItAnswers(owner.stack).then(() => Date.now());
    const struck = victim === undefined ? {} : { victim: victim(owner) };
    const running = runWithKills<DisasterRecoveryResult>(owner, { type: 'disasterRecovery', input, points, ...struck });
    const [killed, firstAnswerAtMs] = await Promise.all([running, answered]);
    return { lost, killed, firstAnswerAtMs, endedAtMs: Date.now() };
  };
  return { recoverWithKills: (points, options) => untilSeen(() => recoverOnce(points, options)), close: () => owner.close() };
}
