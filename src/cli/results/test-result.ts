import type { TestRecoveryResult } from '../../contract/test-recovery.ts';
import { countText, durationText, sizeText } from '../size-text.ts';
import { factLines } from '../table.ts';

export function testLines(result: TestRecoveryResult): string[] {
  const { label, repository, agent, seed, extents, phases } = result;
  return factLines([
    ['recovered', `${label} from ${repository}, on ${agent}`],
    ...(seed === undefined ? [] : [['random point', `offset ${extents.end}, by seed ${seed}`] as const]),
    ['log', `${countText(extents.segments)} segments, ${sizeText(extents.sizeBytes)}`],
    ['holds', `${countText(result.machines)} machines, ${countText(result.instances)} instances`],
    ['state digest', `${result.stateDigest}: the same from the log and from the server`],
    ['assertions', `${countText(result.assertionsHeld)} held`],
    ['write', 'taken, and still there after two restarts'],
    ['recovery time', `${durationText(result.rtoMs)}: ${phaseText(phases)}`],
  ]);
}

function phaseText({ fetchMs, replayMs, startMs }: TestRecoveryResult['phases']): string {
  return `fetch ${durationText(fetchMs)}, replay ${durationText(replayMs)}, start ${durationText(startMs)}`;
}
