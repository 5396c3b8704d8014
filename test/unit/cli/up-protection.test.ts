import { expect, test } from 'vitest';
import { protectionLines } from '../../../src/cli/up-protection.ts';
import type { Workflows } from '../../../src/contract/workflow-types.ts';
import { agentConfigSchema } from '../../../src/config/agent-config.ts';
import type { Finding } from '../../../src/core/protection/finding.ts';
import type { UpReady } from '../../../src/up/up.ts';
import { PROTECTION } from '../../workflow/plausible-answers.ts';

const config = agentConfigSchema.parse({
  repositories: { local: { kind: 'folder', path: '/backup/rstmdb' } },
  databases: { orders: { server: { address: '127.0.0.1:7401' }, dataDir: '/var/lib/rstmdb', repositories: ['local'] } },
});
const ready = { agent: { name: 'db1', installationId: PROTECTION.owner.installationId }, config } as UpReady;
const common = { runId: 'run', database: 'orders', warnings: [] };
const described = {
  ...common,
  outcome: 'done',
  ...PROTECTION,
  protection: { isProtected: true, gaps: [] },
} as unknown as Workflows['describeDatabase']['result'];

function linesWith(finding: Finding, of: UpReady = ready): string {
  const { severity } = finding;
  return protectionLines(of, { described, check: { ...common, outcome: 'done', severity, findings: [finding] } }).join('\n');
}

test('says that the next start loses nothing', () => {
  const lines = linesWith({ severity: 'ok', code: 'restart-safe', sentence: 'a restart now loses nothing' });
  expect(lines).toMatch(/^protected +orders: the server at 127.0.0.1:7401 on\s+\/var\/lib\/rstmdb$/m);
  expect(lines).toMatch(/^restart +a restart now loses nothing$/m);
});

test('says that the last second is at risk only of an archive that is seen to keep up', () => {
  const archived = linesWith({ severity: 'ok', code: 'archive', sentence: 'the repository has all of the log in place' });
  expect(archived).toMatch(/^at risk +about the last second, with the host$/m);

  const late = linesWith({ severity: 'warning', code: 'archive-late', sentence: 'the archive has not stored 5 kB of the log' });
  expect(late).not.toContain('the last second');
  expect(late.replaceAll(/\s+/g, ' ')).toContain('what is written between two backups; the archive has not stored 5 kB of the log');

  const unknown = linesWith({ severity: 'unknown', code: 'archive-unknown', sentence: 'nobody can be asked' });
  expect(unknown.replaceAll(/\s+/g, ' ')).toContain('it is not known whether the archive works');
});

test('names an archive that is switched off', () => {
  const orders = { ...config.databases['orders'], archive: { enabled: false } };
  const off = { ...ready, config: agentConfigSchema.parse({ ...config, databases: { orders } }) };
  const lines = linesWith({ severity: 'ok', code: 'archive', sentence: 'the repository has all of the log in place' }, off);
  expect(lines.replaceAll(/\s+/g, ' ')).toContain('between two backups; the archive is switched off');
});

test('calls a database unprotected whose next start would lose data, and names them first', () => {
  const sentence = 'a restart now would lose 3 instances (a, b, c)';
  const lines = linesWith({ severity: 'critical', code: 'restart-loses', sentence, hint: 'Don’t restart the server.' });
  expect(lines).toMatch(
    /^NOT PROTECTED +orders: .*\nwhy +restart-loses: a restart now would lose 3 instances \(a, b, c\)\nwhat to do +Don’t restart the server\.$/m,
  );
});
