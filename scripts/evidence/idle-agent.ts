/**
 * `node scripts/evidence/idle-agent.ts [MINUTES] [without-archive]`: what an agent of one database costs that has nothing to do but
 * to follow its log and to guard it, beside a Temporal server of its own. It makes one backup first, as every agent does sooner or later.
 * docs/benchmarks.md keeps the outcome. Needs rstmdb and temporal on PATH, and Linux's /proc.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { stringify } from 'yaml';
import { makeDatabaseStack } from '../../test/support/database-stack.ts';
import { usageOf } from '../../test/support/process-usage.ts';
import { startOwnServices } from '../../test/support/own-services.ts';

const RSTOW = fileURLToPath(new URL('../../bin/rstow', import.meta.url));
const SETTLE_MS = 60_000;

async function measure(name: string, pid: number, idleMs: number): Promise<void> {
  const before = usageOf(pid);
  await sleep(idleMs);
  const after = usageOf(pid);
  const percent = ((after.cpuSeconds - before.cpuSeconds) / (idleMs / 1000)) * 100;
  console.log(`${name}: ${percent.toFixed(2)} % of a core, ${after.rssMb} MB RSS, ${after.pssMb} MB PSS`);
}

const [minutes = '10', without] = process.argv.slice(2);
const idleMs = Number(minutes) * 60_000;
const services = await startOwnServices();
const { temporal, workflowBundlePath } = services;
const stack = await makeDatabaseStack({
  temporalAddress: temporal.address,
  database: { archive: { enabled: without === undefined } },
});
try {
  const configFile = join(stack.folder, 'idle.yaml');
  await writeFile(configFile, stringify({ ...stack.plain, timing: {} }));
  const startedAtMs = performance.now();
  const agent = spawn(RSTOW, ['agent', '--config', configFile], {
    env: { ...process.env, RSTOW_WORKFLOW_BUNDLE: workflowBundlePath },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    await once(agent.stdout, 'data');
    console.log(`ready after ${((performance.now() - startedAtMs) / 1000).toFixed(1)} s`);
    const env = { ...process.env, TEMPORAL_ADDRESS: temporal.address };
    const [code] = (await once(spawn(RSTOW, ['backup', 'orders'], { env, stdio: 'inherit' }), 'exit')) as [number];
    console.log(`a backup, exit code ${code}`);
    await sleep(SETTLE_MS);
    await Promise.all([measure('agent', agent.pid ?? 0, idleMs), measure('its Temporal', temporal.pid(), idleMs)]);
  } finally {
    agent.kill();
    await once(agent, 'exit');
  }
} finally {
  await stack.remove();
  await services.stop();
}
