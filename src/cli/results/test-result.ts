import type { TestRecoveryResult } from '../../contract/test-recovery.ts';
import { countText, durationText } from '../size-text.ts';
import { factLines } from '../table.ts';
import { holdsText, logText } from './log-text.ts';

export function testLines(result: TestRecoveryResult): string[] {
  const { label, repository, agent, seed, extents, phases } = result;
  return factLines([
    ['recovered', `${label} from ${repository}, on ${agent}`],
    ...(seed === undefined ? [] : [['random point', `offset ${extents.end}, by seed ${seed}`] as const]),
    ['log', logText(extents)],
    ['holds', holdsText({ machines: result.machines, instances: result.instances })],
    ['state digest', result.stateDigest],
    ['compared', 'the log and the server give the same state'],
    ['assertions', result.assertionsHeld === 0 ? 'none were given' : `${countText(result.assertionsHeld)} held`],
    ['write', 'taken, and still there after two restarts'],
    ['recovery time', `${durationText(result.rtoMs)}: ${phaseText(phases)}`],
  ]);
}

function phaseText({ fetchMs, replayMs, startMs }: TestRecoveryResult['phases']): string {
  return `fetch ${durationText(fetchMs)}, replay ${durationText(replayMs)}, start ${durationText(startMs)}`;
}
