/** Each kind of target, with a real server or program behind it. */
import { once } from 'node:events';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type AlertTargetConfig, alertsSection } from '../../src/config/alerts.ts';
import type { AlertTarget } from '../../src/io/alert/alert-target.ts';
import { openAlertTarget } from '../../src/io/alert/open-alert-target.ts';
import { describeAlertTarget, NOTICE, type OpenedTarget } from '../suites/alert-target-suite.ts';
import { mailSink, webSink } from '../support/alert-sinks.ts';
import { freePort } from '../support/free-port.ts';

const PASSWORD = 'correct horse battery';
const SHORT_MS = 500;

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'rstow-alert-'));
  onTestFinished(() => rm(path, { recursive: true }));
  return path;
}

async function secret(text: string, mode = 0o600): Promise<string> {
  const path = join(await folder(), 'secret');
  await writeFile(path, text);
  await chmod(path, mode);
  return path;
}

function target(settings: object): AlertTarget {
  return openAlertTarget(alertsSection.parse({ targets: { one: settings } }).targets['one'] as AlertTargetConfig);
}

/** Takes connections and says nothing. */
async function silentPort(): Promise<number> {
  const server = createServer(() => undefined).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  return (server.address() as AddressInfo).port;
}

async function web(): Promise<OpenedTarget> {
  const [sink, refusing] = [await webSink(), await webSink({ status: 403 })];
  onTestFinished(() => Promise.all([sink.close(), refusing.close()]).then(() => undefined));
  const of = (port: number): AlertTarget => target({ kind: 'webhook', url: `http://127.0.0.1:${port}/hook`, timeoutMs: SHORT_MS });
  return {
    target: of(sink.port),
    got: async () => Promise.resolve(sink.got),
    broken: of(await freePort()),
    refused: of(refusing.port),
    silent: of(await silentPort()),
  };
}

const MAIL = { kind: 'email', host: '127.0.0.1', tls: 'never', from: 'rstow@example.org', to: ['dba@example.org'], timeoutMs: 5_000 };

async function mail(): Promise<OpenedTarget> {
  const sink = await mailSink(PASSWORD);
  onTestFinished(sink.close);
  const [passwordFile, wrongFile] = [await secret(PASSWORD), await secret('wrong')];
  return {
    target: target({ ...MAIL, port: sink.port, user: 'agent', passwordFile }),
    got: async () => Promise.resolve(sink.got.map((text) => text.replaceAll('=\r\n', ''))),
    broken: target({ ...MAIL, port: await freePort() }),
    refused: target({ ...MAIL, port: sink.port, user: 'agent', passwordFile: wrongFile }),
    silent: target({ ...MAIL, port: await silentPort(), timeoutMs: SHORT_MS }),
  };
}

async function command(): Promise<OpenedTarget> {
  const file = join(await folder(), 'got');
  const run = (script: string, timeoutMs = 10_000): AlertTarget =>
    target({ kind: 'command', command: ['sh', '-c', script, 'sh', file], timeoutMs });
  return {
    target: run('cat > "$1"; printf %s "$RSTOW_ALERT_SEVERITY $RSTOW_ALERT_CODE" >> "$1"'),
    got: async () => [await readFile(file, 'utf8')],
    broken: target({ kind: 'command', command: ['/no/such/program'] }),
    refused: run('echo no pager >&2; exit 3'),
    silent: run('sleep 60', SHORT_MS),
  };
}

describe('webhook', () => {
  describeAlertTarget(web);

  it('never names more of a secret URL than its host', async () => {
    const urlFile = await secret('http://127.0.0.1:1/very-secret');
    const failure = await target({ kind: 'webhook', urlFile }).send(NOTICE, new AbortController().signal).catch(String);
    expect(failure).toContain('127.0.0.1:1 can’t be reached');
    expect(failure).not.toContain('very-secret');
  });

  it('refuses a file that is open to every user of the host', async () => {
    const urlFile = await secret('http://127.0.0.1:1/', 0o644);
    await expect(target({ kind: 'webhook', urlFile }).send(NOTICE, new AbortController().signal)).rejects.toMatchObject({
      code: 'invalid-config',
    });
  });
});

describe('email', () => {
  describeAlertTarget(mail);

  it('says of a wrong password whose it is, and not the password', async () => {
    const { refused } = await mail();
    const failure = await refused.send(NOTICE, new AbortController().signal).catch(String);
    expect(failure).toContain('does not accept the password of agent');
    expect(failure).not.toContain('wrong');
  });
});

describe('command', () => {
  describeAlertTarget(command);

  it('gives the program variables as well', async () => {
    const { target: told, got } = await command();
    await told.send(NOTICE, new AbortController().signal);
    expect((await got())[0]).toMatch(/critical backup-too-old$/);
  });

  it('says how the program has ended, and its last words', async () => {
    const { refused } = await command();
    await expect(refused.send(NOTICE, new AbortController().signal)).rejects.toThrow('sh ended with exit code 3: no pager');
  });
});
