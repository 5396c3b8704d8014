import { execFile } from 'node:child_process';
import { hostname, userInfo } from 'node:os';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { parseInterval, requester } from '../../../src/cli/options.ts';

const SOURCE = fileURLToPath(new URL('../../../src/cli/options.ts', import.meta.url));

test('a requester is the user at the host', () => {
  expect(requester()).toBe(`${userInfo().username}@${hostname()}`);
});

test.runIf(process.getuid?.() === 0)('a requester is a number if the user has no name, as in a container', async () => {
  const program = `const { requester } = await import('${SOURCE}'); process.setuid(54321); console.log(requester());`;
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', program]);
  expect(stdout).toBe(`uid-54321@${hostname()}\n`);
});

test('an interval is a number with a unit, or never', () => {
  expect(['10s', '15m', '2h', '1d', 'never'].map(parseInterval)).toEqual([10_000, 900_000, 7_200_000, 86_400_000, undefined]);
});

test.each(['', '15', '9s', '0m', '-1h', '1w', '400d', '1.5h', 'Never'])('"%s" is no interval', (text) => {
  expect(() => parseInterval(text)).toThrow('15m, 1h or 1d');
});
