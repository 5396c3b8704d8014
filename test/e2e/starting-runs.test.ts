import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import type { HotBackupResult } from '../../src/contract/hot-backup.ts';
import { DATABASE } from '../support/database-stack.ts';
import { type ProgramEnd, runProgram } from '../support/run-program.ts';
import { openScene, type Scene } from '../support/scene.ts';
import { toolPath } from '../support/tools.ts';

/** What a start that can't succeed may take: nobody has to wait to learn of a misspelling. */
const REFUSAL_MS = 15_000;
/** An agent may be slow to answer, so this one takes a minute. */
const UNREACHABLE_MS = 75_000;

let scene: Scene;
let unknownDatabase: Promise<ProgramEnd>;

beforeAll(async () => {
  scene = await openScene({ temporalAddress: inject('temporalAddress'), workflowBundlePath: inject('workflowBundlePath') });
  unknownDatabase = temporalExecute('hotBackup', '--input', '{"database":"ordrs"}');
});
afterAll(() => scene.close());

/** The line that an operator types, and nothing of ours around it. */
function temporalExecute(type: string, ...input: string[]): Promise<ProgramEnd> {
  const { temporalAddress, namespace } = scene;
  const server = ['--address', temporalAddress, '--namespace', namespace];
  return runProgram(toolPath('temporal'), [
    'workflow',
    'execute',
    '-o',
    'json',
    '--type',
    type,
    '--task-queue',
    'rstow',
    ...input,
    ...server,
  ]);
}

type Executed = { status: string; result?: unknown; closeEvent?: { workflowExecutionFailedEventAttributes?: { failure: Failure } } };
type Failure = { message: string; applicationFailureInfo?: { type: string } };

function failureOf({ stdout }: ProgramEnd): { message: string; code: string | undefined } {
  const { closeEvent } = JSON.parse(stdout) as Executed;
  const failure = closeEvent!.workflowExecutionFailedEventAttributes!.failure;
  return { message: failure.message, code: failure.applicationFailureInfo?.type };
}

describe('a run started by the temporal command', () => {
  it('gives the backup’s result object under .result', async () => {
    const { exitCode, stdout } = await temporalExecute('hotBackup', '--input', `{"database":"${DATABASE}"}`);
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
    const ended = await temporalExecute(type, ...input);
    expect(ended.exitCode).toBe(1);
    expect(ended.durationMs).toBeLessThan(REFUSAL_MS);
    const failure = failureOf(ended);
    expect(failure.code).toBe(code);
    expect(failure.message).toMatch(new RegExp(`^${code}: `));
    expect(failure.message).toContain(says);
    expect(failure.message).not.toContain('\n');
  });

  it('says of a database that no agent serves that it is misspelt or its agent down, within about a minute', async () => {
    const ended = await unknownDatabase;
    expect(ended.exitCode).toBe(1);
    expect(failureOf(ended)).toEqual({
      code: 'agent-unreachable',
      message: 'agent-unreachable: no agent serves database "ordrs": misspelt, or its agent is down',
    });
    expect(ended.durationMs).toBeLessThan(UNREACHABLE_MS);
  });

  it('leaves nothing running', async () => {
    const open: string[] = [];
    for await (const { workflowId } of scene.temporal.client.workflow.list({ query: 'ExecutionStatus = "Running"' })) open.push(workflowId);
    expect(open).toEqual([]);
  });
});
