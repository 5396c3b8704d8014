import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { emailTarget } from '../../../../src/io/alert/email-target.ts';
import { NOTICE } from '../../../suites/alert-target-suite.ts';
import { mailSink } from '../../../support/alert-sinks.ts';

const PASSWORD = 'correct horse battery';

test('takes a mail that not all of the recipients can get for a delivery, and names them', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'rstow-mail-'));
  const sink = await mailSink(PASSWORD, 'gone@example.org');
  onTestFinished(async () => {
    await sink.close();
    await rm(folder, { recursive: true });
  });
  const passwordFile = join(folder, 'password');
  await writeFile(passwordFile, PASSWORD, { mode: 0o600 });
  const mail = { kind: 'email', host: '127.0.0.1', port: sink.port, tls: 'never', from: 'rstow@example.org', timeoutMs: 5_000 } as const;
  const send = (to: string[]) => emailTarget({ ...mail, to, user: 'agent', passwordFile }).send(NOTICE, new AbortController().signal);
  expect(await send(['gone@example.org', 'dba@example.org'])).toContain('does not take mail for gone@example.org');
  expect(sink.got).toHaveLength(1);
  expect(await send(['dba@example.org'])).toBeUndefined();
  await expect(send(['gone@example.org'])).rejects.toMatchObject({ code: 'alert-not-delivered' });
});
