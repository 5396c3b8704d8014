/** What a person reads if a bucket can't be used. */
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RstowError } from '../../src/core/errors/rstow-error.ts';
import type { S3Settings } from '../../src/io/repository/s3-place.ts';
import { openS3Repository } from '../../src/io/repository/s3.ts';
import { freePort } from '../support/free-port.ts';
import { s3Settings } from '../support/s3-repository.ts';
import { lackForS3, type S3Server, startS3Server } from '../support/s3-server.ts';

const lack = lackForS3();
const SECRET = 'a-secret-that-nobody-reads';

async function failureOf(opening: Promise<unknown>): Promise<RstowError> {
  const error = await opening.then(
    () => undefined,
    (failure: unknown) => failure,
  );
  expect(error).toBeInstanceOf(RstowError);
  // Whatever prints it: no message, no detail and no cause holds a secret or a signature.
  expect(inspect(error, { depth: 20, showHidden: true })).not.toMatch(
    /secret-of-the-tests|a-secret-that-nobody-reads|Signature=|AWS4-HMAC/,
  );
  return error as RstowError;
}

describe.skipIf(lack !== undefined)(`a bucket that can't be used${lack ?? ''}`, () => {
  let server: S3Server;
  let folder: string;
  let bucket: string;

  beforeAll(async () => {
    server = await startS3Server();
    folder = await mkdtemp(join(tmpdir(), 'rstow-s3-refusals-'));
    bucket = await server.makeBucket();
  });
  afterAll(async () => {
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const credentials = async (lines: readonly string[], mode = 0o600): Promise<string> => {
    const path = join(folder, `credentials-${mode}-${lines.length}-${lines.join('').length}`);
    await writeFile(path, lines.join('\n'), { mode });
    return path;
  };
  const opening = (more: Partial<S3Settings>): Promise<unknown> => openS3Repository(s3Settings(server, bucket, more));

  it('says which credentials are wrong', async () => {
    const unknown = await credentials(['[default]', 'aws_access_key_id = nobody', `aws_secret_access_key = ${SECRET}`]);
    const failure = await failureOf(opening({ credentialsFile: unknown }));
    expect(failure.code).toBe('repository-unavailable');
    expect(failure.message).toBe(
      `bucket s3://${bucket} at 127.0.0.1:${server.port}: could not open it: the server does not know the access key`,
    );
    const wrong = await credentials(['[default]', 'aws_access_key_id = rstow-test', `aws_secret_access_key = ${SECRET}`]);
    expect((await failureOf(opening({ credentialsFile: wrong }))).message).toContain('the secret key does not belong to the access key');
  });

  it('refuses a file of credentials that others can read, or that lacks one of the keys', async () => {
    const open = await credentials(['[default]', 'aws_access_key_id = rstow-test', `aws_secret_access_key = ${SECRET}`], 0o644);
    expect(await failureOf(opening({ credentialsFile: open }))).toMatchObject({
      code: 'invalid-config',
      message: expect.stringContaining('open to every user of this host') as string,
    });
    const half = await credentials(['[other]', `aws_secret_access_key = ${SECRET}`, '[default]', 'aws_access_key_id = rstow-test']);
    expect(await failureOf(opening({ credentialsFile: half }))).toMatchObject({
      code: 'invalid-config',
      message: `credentialsFile ${half} has no aws_secret_access_key under [default]`,
    });
    expect((await failureOf(opening({ credentialsFile: join(folder, 'absent') }))).code).toBe('invalid-config');
    expect((await failureOf(opening({ caFile: join(folder, 'absent') }))).message).toContain('caFile');
  });

  it('tells a bucket that is missing from an object that is', async () => {
    const failure = await failureOf(opening({ bucket: 'nowhere' }));
    expect(failure).toMatchObject({
      code: 'repository-unavailable',
      message: expect.stringContaining('there is no bucket "nowhere"') as string,
    });
    const repository = await openS3Repository(s3Settings(server, bucket));
    expect(await repository.read('absent', { sizeBytesMax: 1 })).toBeUndefined();
  });

  it('says that a server is not reachable', async () => {
    const endpoint = `http://127.0.0.1:${await freePort()}`;
    expect((await failureOf(opening({ endpoint }))).message).toContain('the server is not reachable');
    expect((await failureOf(opening({ endpoint: 'http://nowhere.invalid' }))).message).toContain('the name of the server is not known');
  });

  it.each([
    ['AccessDenied', 403, 'repository-unavailable', 'the credentials have no right to do that'],
    ['ExpiredToken', 400, 'repository-unavailable', 'the credentials have expired'],
    ['RequestTimeTooSkewed', 403, 'repository-unavailable', 'the clocks of this host and of the server differ'],
    ['SlowDown', 503, 'repository-unavailable', 'the server asks to slow down'],
    ['InternalError', 500, 'repository-unavailable', 'the server failed (500 InternalError)'],
    ['QuotaExceeded', 403, 'not-enough-space', 'no room left, or the quota is reached'],
    ['NotImplemented', 501, 'repository-unsupported', 'the server can’t do that'],
    ['InvalidObjectState', 403, 'repository-unavailable', 'an archive class'],
  ] as const)('says what %s means', async (...[name, status, code, words]) => {
    const answers = await startAnswering(status, `<Error><Code>${name}</Code><Message>said so</Message></Error>`, 'GET');
    try {
      const repository = await openS3Repository(s3Settings(server, bucket, { endpoint: answers.endpoint }));
      const failure = await failureOf(repository.read('a', { sizeBytesMax: 1 }));
      expect(failure.code).toBe(code);
      expect(failure.message).toContain('could not read a: ');
      expect(failure.message).toContain(words);
    } finally {
      await answers.stop();
    }
  });

  it('refuses a server that overwrites what a put must leave there', async () => {
    const answers = await startAnswering(200, '', 'PUT');
    try {
      const failure = await failureOf(opening({ endpoint: answers.endpoint }));
      expect(failure.code).toBe('repository-unsupported');
      expect(failure.message).toContain('passes over If-None-Match');
    } finally {
      await answers.stop();
    }
  });
});

/** A server that gives one answer to all requests of that method; to others it says that the name is taken, or that nothing is there. */
async function startAnswering(status: number, body: string, method: string): Promise<{ endpoint: string; stop: () => Promise<void> }> {
  const other = { PUT: 412, GET: 200 } as const;
  const server = createServer((request, response) => {
    request.resume();
    const isMeant = request.method === method && !(request.url ?? '').includes('uploads');
    response.writeHead(isMeant ? status : other[request.method === 'PUT' ? 'PUT' : 'GET'], { 'content-type': 'application/xml' });
    response.end(
      isMeant ? body : request.method === 'PUT' ? '<Error><Code>PreconditionFailed</Code></Error>' : '<ListMultipartUploadsResult/>',
    );
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    stop: async () => {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}
