import type { ExtentsSummary } from '../../core/backup/extents-summary.ts';
import { countedText, sizeText } from '../size-text.ts';

/** `3 segments, 12.3 MB, up to offset 3298534895616`. */
export function logText({ segments, sizeBytes, end }: ExtentsSummary): string {
  return `${countedText(segments, 'segment')}, ${sizeText(sizeBytes)}, up to offset ${end}`;
}

type Holdings = { records?: number; machines?: number; instances?: number };

/** `749 records: 1 machine, 190 instances`. */
export function holdsText({ records, machines = 0, instances = 0 }: Holdings): string {
  const state = `${countedText(machines, 'machine')}, ${countedText(instances, 'instance')}`;
  return records === undefined ? state : `${countedText(records, 'record')}: ${state}`;
}
