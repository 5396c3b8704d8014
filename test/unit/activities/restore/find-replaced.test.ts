import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { findReplaced } from '../../../../src/activities/restore/find-replaced.ts';
import { makeSegmentId, segmentFileName } from '../../../../src/core/wal/wal-offset.ts';
import { DATABASE, makeScene, runOf } from '../scene.ts';

async function sceneWithCopies(contents: Record<string, string>): Promise<(restore?: string) => Promise<unknown>> {
  const { dataDir, deps } = await makeScene();
  for (const [runId, content] of Object.entries(contents)) {
    const walDir = join(dataDir, '.rstow/restores', runId, 'replaced/wal');
    await mkdir(walDir, { recursive: true });
    await writeFile(join(walDir, segmentFileName(makeSegmentId(1)!)), content);
  }
  return (restore) => findReplaced(deps)({ database: DATABASE, restore }, runOf('undo'));
}

it('asks for more of an id with which several restores begin', async () => {
  const find = await sceneWithCopies({ ab1: 'log', ab2: 'log' });
  await expect(find('ab')).rejects.toMatchObject({ code: 'invalid-input', message: expect.stringContaining('ab1, ab2') as string });
});

it('names the restores that have left a safety copy, if none of them is meant', async () => {
  const find = await sceneWithCopies({ ab1: 'log' });
  await expect(find('cd')).rejects.toMatchObject({
    code: 'nothing-to-undo',
    message: `no restore of "${DATABASE}" is called cd: there are the safety copies of the restores ab1`,
  });
});

it('takes neither an empty folder nor what the run itself has replaced for something to undo', async () => {
  const find = await sceneWithCopies({ ab1: '', undo: 'log' });
  await expect(find()).rejects.toMatchObject({
    code: 'nothing-to-undo',
    message: expect.stringMatching(/^no restore of "orders" can be undone: there is no safety copy in /) as string,
  });
});
