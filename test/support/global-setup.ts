/** One Temporal server and one workflow bundle for all projects that ask for them. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { startTemporalServer } from './temporal-server.ts';
import { workflowBundleCode } from './workflow-bundle.ts';

declare module 'vitest' {
  // eslint-disable-next-line @typescript-eslint/consistent-type-definitions -- an interface of vitest's is extended
  export interface ProvidedContext {
    temporalAddress: string;
    workflowBundlePath: string;
  }
}

type Shared = { address: string; bundlePath: string; end: () => Promise<void> };
type Holder = { users: number; shared: Promise<Shared> | undefined };

// Each project loads this module anew, in one process: what they share lies outside of it.
const global = globalThis as { rstowShared?: Holder };
const holder = (global.rstowShared ??= { users: 0, shared: undefined });

export async function setup(project: TestProject): Promise<void> {
  holder.users += 1;
  const { address, bundlePath } = await (holder.shared ??= startShared());
  project.provide('temporalAddress', address);
  project.provide('workflowBundlePath', bundlePath);
}

export async function teardown(): Promise<void> {
  holder.users -= 1;
  if (holder.users > 0) return;
  const { shared } = holder;
  holder.shared = undefined;
  await (await shared)?.end();
}

async function startShared(): Promise<Shared> {
  const folder = await mkdtemp(join(tmpdir(), 'rstow-shared-'));
  const bundlePath = join(folder, 'workflows.js');
  const [server, code] = await Promise.all([startTemporalServer(), workflowBundleCode()]);
  await writeFile(bundlePath, code);
  return {
    address: server.address,
    bundlePath,
    end: async () => {
      await server.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
