import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { stringify } from 'yaml';
import { testLines } from '../../../../src/cli/commands/alerts.ts';
import { testAlerts } from '../../../../src/local/alerts.ts';

test('says of each target that was not told why, and below it what to do', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'rstow-alerts-test-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const targets = {
    pager: { kind: 'command', command: ['true'] },
    mute: { kind: 'command', command: ['sh', '-c', 'echo no line >&2; exit 3'] },
  };
  const config = {
    agent: { stateDir: join(folder, 'state') },
    repositories: { local: { kind: 'folder', path: join(folder, 'repository') } },
    databases: { orders: { server: { address: '127.0.0.1:1' }, dataDir: join(folder, 'data'), repositories: ['local'] } },
    alerts: { targets },
  };
  const file = join(folder, 'rstow.yaml');
  await writeFile(file, stringify(config));
  const lines = testLines(await testAlerts(file)).map((line) => line.replaceAll('\u00a0', ' '));
  expect(lines).toEqual([
    'pager       delivered',
    'mute        NOT delivered: alert-not-delivered: sh ended with exit code 3: no',
    '            line',
    'what to do  Mend the target, or its section under alerts.targets of the agent’s',
    '            config. `rstow alerts test` says whether it works; the agent tries',
    '            each alert again until it is delivered.',
  ]);
});
