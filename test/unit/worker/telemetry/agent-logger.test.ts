import { pino } from 'pino';
import { expect, onTestFinished, test, vi } from 'vitest';
import { createAgentLogger, LOGGER_OPTIONS, personLine, sdkLogger } from '../../../../src/worker/telemetry/agent-logger.ts';

function logged(write: (logger: pino.Logger) => void): string {
  const lines: string[] = [];
  write(pino(LOGGER_OPTIONS, { write: (line: string) => void lines.push(line) }));
  return lines.join('');
}

test('logs why a workflow failed, and no token of the protocol', () => {
  const meta = { error: new Error('the disk is full'), taskToken: 'AAAA', workflowId: 'rstow/orders/hotBackup/1' };
  const line = logged((logger) => void sdkLogger(logger).warn('Workflow failed', meta));
  expect(JSON.parse(line) as object).toMatchObject({ msg: 'Workflow failed', error: { message: 'the disk is full' } });
  expect(line).not.toContain('AAAA');
});

test('writes for a person when, how bad, what, why and which', () => {
  const line = logged((logger) => logger.warn({ err: new Error('not mounted'), database: 'orders' }, 'looking up the owner failed'));
  expect(personLine(line)).toMatch(/^[0-9:]{8} warning {2}looking up the owner failed: not mounted \(database orders\)\n$/);
});

test('goes on below the sentence where a line is longer than the terminal is wide', () => {
  const why = 'folder /backup/rstmdb is not there: its disk may not be mounted';
  const line = logged((logger) => logger.warn({ err: new Error(why), database: 'orders' }, 'looking up the owner failed'));
  const [first = '', ...rest] = personLine(line, 80).split('\n');
  expect(first.slice('02:15:31 '.length)).toBe('warning  looking up the owner failed: folder /backup/rstmdb is not');
  expect(rest).toEqual([`${' '.repeat(18)}there: its disk may not be mounted (database orders)`, '']);
});

test('writes no word a line on a terminal that says it has no columns', () => {
  const { stderr } = process;
  const { isTTY, columns } = stderr;
  const write = vi.spyOn(stderr, 'write').mockReturnValue(true);
  onTestFinished(() => {
    write.mockRestore();
    Object.assign(stderr, { isTTY, columns });
  });
  Object.assign(stderr, { isTTY: true, columns: 0 });
  createAgentLogger().warn('looking up the owner failed again');
  expect(write.mock.lastCall?.[0]).toMatch(/^[0-9:]{8} warning {2}looking up the owner\n {18}failed again\n$/);
});
