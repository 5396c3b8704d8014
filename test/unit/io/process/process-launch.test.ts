import { expect, test } from 'vitest';
import { controlGroupIn } from '../../../../src/io/process/proc.ts';

const UNIT = '/system.slice/rstmdb.service';

test.each([
  ['version 2', `0::${UNIT}\n`, UNIT],
  ['version 1', `12:pids:/other\n1:name=systemd:${UNIT}\n`, UNIT],
  ['both, of which systemd uses version 2', `9:name=systemd:/\n8:pids:/\n0::${UNIT}\n`, UNIT],
  ['both, of which systemd uses version 1', `1:name=systemd:${UNIT}\n0::/\n`, UNIT],
  ['neither', '', '/'],
])('finds a process’s control group in %s', (_which, text, group) => {
  expect(controlGroupIn(text)).toBe(group);
});
