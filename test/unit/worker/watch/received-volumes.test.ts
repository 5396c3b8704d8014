import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type AgentConfig, agentConfigSchema } from '../../../../src/config/agent-config.ts';
import { receivedVolumes } from '../../../../src/io/agent-state/run-files.ts';
import { clearVolumes } from '../../../../src/worker/watch/leftovers.ts';

/** A `zfs` whose every dataset is being received by the run `ended-mine` of the installation `here`. */
const FAKE_ZFS = `#!/bin/sh
echo "$@" >> "$(dirname "$0")/calls"
[ "$1" != get ] || printf 'rstow:received-by\\there/ended-mine\\n'
`;

const path = process.env['PATH'];
let folder: string;
let config: AgentConfig;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rstow-received-'));
  await writeFile(join(folder, 'zfs'), FAKE_ZFS);
  await chmod(join(folder, 'zfs'), 0o755);
  process.env['PATH'] = `${folder}:${path}`;
  config = agentConfigSchema.parse({ agent: { name: 'db1', stateDir: join(folder, 'agent') }, repositories: {}, databases: {} });
});

afterEach(async () => {
  process.env['PATH'] = path;
  await rm(folder, { recursive: true });
});

it('drops what an ended run has received and not kept, and nothing of a run that is open or of somebody else', async () => {
  const { stateDir } = config.agent;
  await receivedVolumes.add(stateDir, 'ended-mine', 'tank/mine');
  await receivedVolumes.add(stateDir, 'ended-kept', 'tank/kept');
  await receivedVolumes.add(stateDir, 'open', 'tank/open');
  await clearVolumes(config, 'here', { runState: async (runId) => (runId === 'open' ? 'open' : 'closed') });
  const calls = (await readFile(join(folder, 'calls'), 'utf8')).trim().split('\n');
  expect(calls.filter((call) => call.startsWith('destroy'))).toEqual(['destroy -r tank/mine']);
  expect(calls.some((call) => call.includes('tank/open'))).toBe(false);
  expect((await receivedVolumes.list(stateDir)).map(({ name }) => name)).toEqual(['tank/open']);
});
