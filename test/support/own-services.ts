/** A Temporal that nobody else uses, and the bundle of the workflows, for scripts that run without the suites' set-up. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startTemporalServer, type TemporalServer } from './temporal-server.ts';
import { workflowBundleCode } from './workflow-bundle.ts';

export type OwnServices = { temporal: TemporalServer; temporalAddress: string; workflowBundlePath: string; stop: () => Promise<void> };

export async function startOwnServices(): Promise<OwnServices> {
  const folder = await mkdtemp(join(tmpdir(), 'rstow-services-'));
  const workflowBundlePath = join(folder, 'workflows.js');
  await writeFile(workflowBundlePath, await workflowBundleCode());
  const temporal = await startTemporalServer();
  const stop = async (): Promise<void> => {
    await temporal.stop();
    await rm(folder, { recursive: true, force: true });
  };
  return { temporal, temporalAddress: temporal.address, workflowBundlePath, stop };
}
