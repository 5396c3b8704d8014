import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import type { HotBackupResult } from '../../src/contract/hot-backup.ts';
import { DATABASE } from '../support/database-stack.ts';
import { openScene, type Scene } from '../support/scene.ts';
import { type Executed, failureOf, temporalExecute } from '../support/temporal-command.ts';

/** What a start that can't succeed may take: nobody has to wait to learn of a misspelling. */
const REFUSAL_MS = 15_000;

let scene: Scene;

beforeAll(async () => {
  scene = await openScene({ temporalAddress: inject('temporalAddress'), workflowBundlePath: inject('workflowBundlePath') });
});
afterAll(() => scene.close());

describe('a run started by the temporal command', () => {
  it('gives the backup’s result object under .result', async () => {
    const { exitCode, stdout } = await temporalExecute(scene, 'hotBackup', '--input', `{"database":"${DATABASE}"}`);
    expect(exitCode).toBe(0);
    const { status, result } = JSON.parse(stdout) as Executed;
    expect(status).toBe('COMPLETED');
    const backup: Partial<HotBackupResult> = { outcome: 'done', database: DATABASE, kind: 'hot', restorable: 'from-log' };
    expect(result).toMatchObject(backup);
    expect((result as HotBackupResult).label).toMatch(/^[0-9]{8}T[0-9]{6}Z-hot$/);
  });

  it.each([
    {
      what: 'a misspelt type',
      type: 'hotBakcup',
      input: ['--input', '{"database":"orders"}'],
      code: 'unknown-workflow',
      says: 'did you mean "hotBackup"?',
    },
    { what: 'no input', type: 'hotBackup', input: [], code: 'invalid-input', says: 'hotBackup takes one JSON object' },
    {
      what: 'a misspelt field',
      type: 'hotBackup',
      input: ['--input', '{"databse":"orders"}'],
      code: 'invalid-input',
      says: 'field "databse" is unknown; did you mean "database"?',
    },
    {
      what: 'a number for a name',
      type: 'restore',
      input: ['--input', '{"database":"orders","backup":7}'],
      code: 'invalid-input',
      says: 'field "backup" must be a string, not a number',
    },
    {
      what: 'an array',
      type: 'verifyBackup',
      input: ['--input', '["orders"]'],
      code: 'invalid-input',
      says: 'must be a JSON object, not an array',
    },
    {
      what: 'two inputs',
      type: 'hotBackup',
      input: ['--input', '{"database":"orders"}', '--input', '{}'],
      code: 'invalid-input',
      says: 'takes one JSON object',
    },
    {
      what: 'a backup that does not exist',
      type: 'restore',
      input: ['--input', '{"database":"orders","backup":"1999"}'],
      code: 'backup-not-found',
      says: 'no backup is called "1999"',
    },
  ])('refuses $what in one sentence, within seconds', async ({ type, input, code, says }) => {
    const ended = await temporalExecute(scene, type, ...input);
    expect(ended.exitCode).toBe(1);
    expect(ended.durationMs).toBeLessThan(REFUSAL_MS);
    const failure = failureOf(ended);
    expect(failure.code).toBe(code);
    expect(failure.message).toMatch(new RegExp(`^${code}: `));
    expect(failure.message).toContain(says);
    expect(failure.message).not.toContain('\n');
  });

  it('leaves nothing running', async () => {
    const open = async (): Promise<string[]> => {
      const ids: string[] = [];
      for await (const { workflowId } of scene.temporal.client.workflow.list({ query: 'ExecutionStatus = "Running"' }))
        ids.push(workflowId);
      return ids;
    };
    // Temporal lists what has ended a moment later.
    await expect.poll(open).toEqual([]);
  });
});
