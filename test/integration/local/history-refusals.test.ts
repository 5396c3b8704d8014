/** What `rstow log` and `rstow diff` say if what was named is not there. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { DATABASE, type DatabaseStack } from '../../support/database-stack.ts';
import { backUp } from '../../support/direct-backup.ts';
import { makeOddSource, writeOrders } from '../../support/odd-source.ts';
import { rstow } from '../../support/rstow-command.ts';

let stack: DatabaseStack;

beforeAll(async () => {
  stack = await makeOddSource();
  await writeOrders(stack.address, 2);
});

afterAll(() => stack.remove());

const ask = (line: string) => rstow([...line.split(' '), ...(line.includes('--config') ? [] : ['--config', stack.configFile])]);

/** The first part of the sentence, and how the hint begins. */
type Refusal = { says: string; hint: string; exitCode: number };

async function expectRefusal(line: string, { says, hint, exitCode }: Refusal): Promise<void> {
  const ended = await ask(line);
  const [sentence = '', advice = '', ...rest] = ended.stderr.split('\n');
  expect(sentence).toContain(`error: ${says}`);
  expect(advice).toContain(`hint: ${hint}`);
  expect({ rest, exitCode: ended.exitCode, stdout: ended.stdout }).toEqual({ rest: [''], exitCode, stdout: '' });
}

it('says of a database without a backup that there is none yet', async () => {
  const says = 'backup-not-found: repository "local" has no backup of "orders" yet';
  await expectRefusal(`log ${DATABASE}`, { says, hint: '', exitCode: 10 });
  await backUp(stack);
});

it.each<[string, string, string, string, number]>([
  ['a missing config file', 'log orders --config /no.yaml', 'invalid-config: the config file /no.yaml does not exist', '', 2],
  [
    'an unknown database',
    'diff ordrs latest now',
    'unknown-database: this agent\'s config has no database "ordrs"; it has: orders',
    '',
    10,
  ],
  ['an unknown repository', 'log orders --repository tape', 'unknown-repository: the database has no repository "tape"', '', 10],
  [
    'an unknown timeline',
    'log orders --timeline 0009',
    'point-not-found: repository "local" of "orders" has no timeline 0009; it has 0001',
    '',
    10,
  ],
  ['no timeline', 'diff orders latest now --timeline new', 'invalid-input: --timeline must be a timeline such as "0001"', '`rstow diff', 2],
  ['an unknown backup', 'diff orders 2020 now', 'backup-not-found: ', '`rstow list orders` shows', 10],
  ['an unknown mark', 'diff orders name:friday now', 'mark-not-found: no mark is called "friday"', '`rstow info orders`', 10],
  ['no point', 'diff orders pint:3 now', 'invalid-input: "pint:3" is no point: it must be now', '`rstow diff --help`', 2],
  ['an offset that is not stored', 'diff orders offset:18446744073709 now', 'point-not-found: offset 18446744073709 is not stored', '', 10],
  ['an unknown instance', 'diff orders before:o-9 now', 'point-not-found: the stored log has no record of instance "o-9"', '', 10],
  ['no offset', 'log orders --from here', "invalid-input: option '--from <offset>' argument 'here' is invalid.", '`rstow log --help`', 2],
  ['no record at all', 'log orders --limit 0', "invalid-input: option '--limit <count>' argument '0' is invalid.", '`rstow log --help`', 2],
  ['an option as a value', 'log orders --instance --with-data', 'invalid-input: --instance lacks its value', '`rstow log --help`', 2],
  ['no time', 'restore orders --target-time 10:15', 'invalid-input: --target-time must be a time with its zone', '`rstow restore', 2],
  ['no kind', 'extract orders o --target-after o --record end', 'invalid-input: --record must be one of', '`rstow extract', 2],
])('says of %s in one sentence what is wrong, with a code and a hint', async (...[, line, says, hint, exitCode]) => {
  await expectRefusal(line, { says, hint, exitCode });
});

it('says on stderr that nothing was found, and how far the log is stored', async () => {
  const { exitCode, stdout, stderr } = await ask(`log ${DATABASE} --instance nobody`);
  expect({ exitCode, stdout }).toEqual({ exitCode: 0, stdout: '' });
  expect(stderr).toMatch(/^no such record: timeline 0001 is stored up to offset [0-9]+, by backup \S+\n$/);
});
