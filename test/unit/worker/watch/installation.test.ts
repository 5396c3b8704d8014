import { expect, it, onTestFinished, vi } from 'vitest';
import { RstowError } from '../../../../src/core/errors/rstow-error.ts';
import type { Logger } from '../../../../src/worker/telemetry/agent-logger.ts';
import {
  incarnationOf,
  type InstallationWatch,
  type Poller,
  pollerIdentity,
  requireAlone,
  startInstallationWatch,
} from '../../../../src/worker/watch/installation.ts';

const INSTALLATION = '6f9619ff-8b86-4d01-b42d-00cf4fc964ff';
const MINE = `db1 (1@db1) ${INSTALLATION} 000000000001-200`;
const TWIN = `db1 (1@db1) ${INSTALLATION} 000000000002-100`;
const YOUNGER_TWIN = `db1 (1@db1) ${INSTALLATION} 000000000002-300`;
const silent = { info: () => undefined, error: () => undefined, warn: () => undefined } as unknown as Logger;

/** Each look sees the next list; the last one stays. */
function watchOf(looks: Poller[][], more: Partial<InstallationWatch> = {}): InstallationWatch {
  const ending = new AbortController();
  onTestFinished(() => {
    ending.abort();
  });
  let look = 0;
  return {
    installationId: 'id',
    identity: MINE,
    pollers: async () => Promise.resolve(looks[Math.min(look++, looks.length - 1)]!),
    requireInstallation: async () => Promise.resolve(),
    logger: silent,
    signal: ending.signal,
    ...more,
  };
}

const seen = (identity: string, lastAccessMs: number): Poller => ({ identity, lastAccessMs });

it('starts at once where only its own former self was seen, or a program that calls itself otherwise', async () => {
  await requireAlone(watchOf([[seen(`db1 (9@db1) ${INSTALLATION} 000000000001-100`, 1), seen('somebody', 1)]]), 0);
});

it('refuses to start beside another machine’s agent that polls on', async () => {
  const starting = requireAlone(watchOf([[seen(TWIN, 1)], [seen(TWIN, 2)]]), 60_000);
  await expect(starting).rejects.toMatchObject({ code: 'installation-cloned' });
});

it('starts once the agent of its own last boot has been silent for long enough', async () => {
  await requireAlone(watchOf([[seen(TWIN, 1)]]), 2_100);
});

it('gives up beside a twin that began earlier, and stays beside one that began later', async () => {
  const old = startInstallationWatch(watchOf([[seen(TWIN, 1)], [seen(TWIN, 2)]]), 10);
  await expect(old.failed).rejects.toMatchObject({ code: 'installation-cloned' });
  const told = vi.fn();
  const logger = { ...silent, error: told } as unknown as Logger;
  const young = startInstallationWatch(watchOf([[seen(YOUNGER_TWIN, 1)], [seen(YOUNGER_TWIN, 2)]], { logger }), 10);
  const failed = vi.fn();
  young.failed.catch(failed);
  await vi.waitUntil(() => told.mock.calls.length > 0);
  expect(failed).not.toHaveBeenCalled();
});

it('goes on where the state directory can’t be read for a moment', async () => {
  const told = vi.fn();
  const logger = { ...silent, warn: told } as unknown as Logger;
  const unreadable = async (): Promise<void> => Promise.reject(new RstowError('agent-state-unsupported', 'EMFILE'));
  const watch = startInstallationWatch(watchOf([[]], { requireInstallation: unreadable, logger }), 10);
  const failed = vi.fn();
  watch.failed.catch(failed);
  await vi.waitUntil(() => told.mock.calls.length > 1);
  expect(failed).not.toHaveBeenCalled();
});

it('ends the agent whose state directory turns out to be a copy', async () => {
  const copied = async (): Promise<void> => Promise.reject(new RstowError('installation-cloned', 'a copy'));
  const watch = startInstallationWatch(watchOf([[]], { requireInstallation: copied }), 10);
  await expect(watch.failed).rejects.toMatchObject({ code: 'installation-cloned' });
});

it('reads of an identity which machine’s agent it is, since when', () => {
  const agent = { name: 'db1', installationId: INSTALLATION };
  const binding = { format: 1 as const, device: '1', inode: '2', machineId: 'm' };
  const one = incarnationOf(pollerIdentity(agent, binding, 5));
  expect(one).toMatchObject({ installationId: INSTALLATION, startedAtMs: 5 });
  expect(incarnationOf(pollerIdentity(agent, { ...binding, inode: '3' }, 5))?.host).not.toBe(one?.host);
  expect(incarnationOf('db1 (12@db1)')).toBeUndefined();
});
