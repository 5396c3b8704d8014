import type { SegmentRepair } from '../../worker/repair-segment.ts';
import { countText, sizeText } from '../size-text.ts';
import { factLines } from '../table.ts';

/** A repair for people: what was left out, byte by byte, for that is what a person has to judge. */
export function repairLines({ to, records, keptBytes, leftOut }: SegmentRepair): string[] {
  return factLines([
    ['clean copy', to],
    ['kept', `${countText(records)} whole records, ${sizeText(keptBytes)}`],
    ...leftOut.map(
      ({ startBytes, endBytes }) => ['left out', `bytes ${startBytes} to ${endBytes}, ${sizeText(endBytes - startBytes)}`] as const,
    ),
  ]);
}
