import { access } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect, it } from 'vitest';
import { restartServer } from '../../../../src/activities/recovery/restart-server.ts';
import type { RunPort } from '../../../../src/activities/run-port.ts';
import { RstowError } from '../../../../src/core/errors/rstow-error.ts';
import { claimOwnership } from '../../../../src/store/ownership.ts';
import { goldenSegment } from '../../../fixtures/wal/golden.ts';
import { DATABASE, makeScene, OWNER, runOf } from '../scene.ts';

it('starts no server for a run that has ended while its data were read', async () => {
  const { deps, repository, dataDir, writeSegment } = await makeScene();
  await writeSegment(goldenSegment());
  await claimOwnership(repository, DATABASE, OWNER);
  const started = join(dirname(dataDir), 'started');
  const settings = deps.config.databases[DATABASE]!;
  settings.service = { kind: 'commands', start: ['touch', started], stop: ['true'], status: ['false'], env: {}, timeoutMs: 10_000 };
  let questions = 0;
  const run: RunPort = {
    ...runOf('recovery'),
    checkOpen: async () => {
      questions += 1;
      if (questions > 1) throw new RstowError('cancelled', 'the run has ended meanwhile');
      return Promise.resolve();
    },
  };
  await expect(restartServer(deps)({ database: DATABASE }, run)).rejects.toMatchObject({ code: 'cancelled' });
  await expect(access(started)).rejects.toMatchObject({ code: 'ENOENT' });
});
