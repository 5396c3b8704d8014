import { expect, test } from 'vitest';
import { nagiosFailure, nagiosLine } from '../../../src/cli/nagios-text.ts';
import type { Finding } from '../../../src/core/protection/finding.ts';

const safe: Finding = {
  code: 'restart-safe',
  severity: 'ok',
  sentence: 'a restart loses nothing',
  figures: { walBytes: 500, instancesLost: 0 },
};
const late: Finding = { code: 'backup-too-old', severity: 'warning', sentence: 'it is | too\nold', figures: { backupAgeMs: 1_500 } };

test('prints one line with what is worst, and every figure with its unit', () => {
  expect(nagiosLine({ database: 'orders', severity: 'ok', findings: [safe] })).toBe(
    "RSTOW OK - orders: 1 check held | 'walBytes'=500B 'instancesLost'=0",
  );
  const loses: Finding = { code: 'restart-loses', severity: 'critical', sentence: 'a restart now would lose 3 instances' };
  expect(nagiosLine({ database: 'orders', severity: 'critical', findings: [loses, late, safe] })).toBe(
    "RSTOW CRITICAL - orders: restart-loses: a restart now would lose 3 instances; and 1 more (backup-too-old) | 'backupAge'=1.5s 'walBytes'=500B 'instancesLost'=0",
  );
});

test('keeps what would end the line or begin the figures out of the sentence', () => {
  expect(nagiosLine({ database: 'orders', severity: 'warning', findings: [late] })).toBe(
    "RSTOW WARNING - orders: backup-too-old: it is / too old | 'backupAge'=1.5s",
  );
  expect(nagiosFailure('orders', { code: 'agent-unreachable', sentence: 'no agent\nanswers' })).toBe(
    'RSTOW UNKNOWN - orders: agent-unreachable: no agent answers',
  );
});
