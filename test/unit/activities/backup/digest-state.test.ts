import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { digestState, type DigestedState } from '../../../../src/activities/backup/digest-state.ts';
import { pinWal, unpinWal } from '../../../../src/activities/backup/prepare-backup.ts';
import { storeSegments } from '../../../../src/activities/backup/store-segments.ts';
import { goldenSegment } from '../../../fixtures/wal/golden.ts';
import { BOUNDARIES, DATABASE, makeScene, runOf, type Scene } from '../scene.ts';

const where = { database: DATABASE, repository: 'local', timeline: '0001' };
const wholeLog = goldenSegment();
const halfLog = wholeLog.subarray(0, BOUNDARIES[Math.floor(BOUNDARIES.length / 2)]);

type Backup = DigestedState & { readAgain: boolean };

/** Stores and digests, as a run does; `between` happens after the storing. */
async function backUp(scene: Scene, runId: string, between?: (fenceKey: string) => Promise<unknown>): Promise<Backup> {
  const { fenceKey } = await pinWal(scene.deps)(where, runOf(runId));
  const { extentsKey } = await storeSegments(scene.deps)({ ...where, fenceKey }, runOf(runId));
  await between?.(fenceKey);
  const reports: unknown[] = [];
  const state = await digestState(scene.deps)({ ...where, fenceKey, extentsKey }, { ...runOf(runId), report: (at) => reports.push(at) });
  await unpinWal(scene.deps)(where, runOf(runId));
  return { ...state, readAgain: reports.length > 0 };
}

async function digestOf(log: Uint8Array): Promise<string> {
  const scene = await makeScene();
  await scene.writeSegment(log);
  return (await backUp(scene, 'run')).stateDigest;
}

describe('digestState', () => {
  it('does not read the log again that storing has just seen pass', async () => {
    const scene = await makeScene();
    await scene.writeSegment(wholeLog);
    expect(await backUp(scene, 'run')).toMatchObject({ readAgain: false, recordsReplayed: BOUNDARIES.length - 1 });
  });

  it('goes on from the last backup, with what was stored since', async () => {
    const scene = await makeScene();
    await scene.writeSegment(halfLog);
    const first = await backUp(scene, 'first');
    await scene.writeSegment(wholeLog);
    const second = await backUp(scene, 'second');
    expect(second).toMatchObject({ readAgain: false, stateDigest: await digestOf(wholeLog) });
    expect(first.recordsReplayed + second.recordsReplayed).toBe(BOUNDARIES.length - 1);
    expect(first.stateDigest).not.toBe(second.stateDigest);
  });

  it('replays nothing where nothing is new', async () => {
    const scene = await makeScene();
    await scene.writeSegment(wholeLog);
    const { stateDigest } = await backUp(scene, 'first');
    expect(await backUp(scene, 'second')).toMatchObject({ stateDigest, readAgain: false, recordsReplayed: 0 });
  });

  it('reads the log where storing began anew and found its pieces there', async () => {
    const scene = await makeScene();
    await scene.writeSegment(wholeLog);
    const storeAgain = (fenceKey: string) => storeSegments(scene.deps)({ ...where, fenceKey }, runOf('run'));
    expect(await backUp(scene, 'run', storeAgain)).toMatchObject({ readAgain: true, stateDigest: await digestOf(wholeLog) });
  });

  it('goes on with a warning where the agent’s state directory takes no checkpoint', async () => {
    const scene = await makeScene();
    await scene.writeSegment(wholeLog);
    const { stateDir } = scene.deps.config.agent;
    await mkdir(stateDir);
    await writeFile(join(stateDir, DATABASE), 'a file where its folder should be');
    const state = await backUp(scene, 'run');
    expect(state.stateDigest).toBe(await digestOf(wholeLog));
    expect(state.warnings.map(({ code }) => code)).toEqual(['checkpoint-not-kept', 'not-compared']);
  });

  it('reads the log where another run has stored meanwhile', async () => {
    const scene = await makeScene();
    await scene.writeSegment(wholeLog);
    const other = async () => {
      const { fenceKey } = await pinWal(scene.deps)(where, runOf('other'));
      await storeSegments(scene.deps)({ ...where, fenceKey }, runOf('other'));
    };
    expect(await backUp(scene, 'run', other)).toMatchObject({ readAgain: true, stateDigest: await digestOf(wholeLog) });
  });
});
