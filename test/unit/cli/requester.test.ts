import { execFile } from 'node:child_process';
import { hostname, userInfo } from 'node:os';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { requester } from '../../../src/cli/requester.ts';

const SOURCE = fileURLToPath(new URL('../../../src/cli/requester.ts', import.meta.url));

test('is the user at the host', () => {
  expect(requester()).toBe(`${userInfo().username}@${hostname()}`);
});

test.runIf(process.getuid?.() === 0)('is a number where the user has no name, as in a container', async () => {
  const program = `const { requester } = await import('${SOURCE}'); process.setuid(54321); console.log(requester());`;
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', program]);
  expect(stdout).toBe(`uid-54321@${hostname()}\n`);
});
