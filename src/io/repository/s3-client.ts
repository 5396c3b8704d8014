import { readFile } from 'node:fs/promises';
import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { S3Client, type S3ClientConfig } from '@aws-sdk/client-s3';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { readSecretFile } from '../files/secret-file.ts';
import { s3Description, type S3Place, type S3Settings } from './s3-place.ts';

const CONNECTION_MS = 5_000;
/** So long without a byte, and the request is made again. Three times that is within what a call has. */
const SILENT_MS = 15_000;
const TRIES_MAX = 3;

/** Each stream that is read holds one until its end. */
const SOCKETS_MAX = 128;

/** A file that was replaced counts after this time at the latest. */
const CREDENTIALS_MS = 5 * 60 * 1000;

/** Where such servers say that they are, whatever they are asked. */
const ANY_REGION = 'us-east-1';

/** Fails: invalid-config, if the region isn't known or a file can't be used. */
export async function createS3Place(settings: S3Settings): Promise<S3Place> {
  const { bucket, prefix, objectLock } = settings;
  const place = { client: await createClient(settings), bucket, objectLock, description: s3Description(settings) };
  return { ...place, prefix: prefix === undefined ? '' : `${prefix}/` };
}

async function createClient(settings: S3Settings): Promise<S3Client> {
  const { endpoint, credentialsFile, region = endpoint === undefined ? undefined : ANY_REGION } = settings;
  const client = new S3Client({
    ...(region === undefined ? {} : { region }),
    ...(endpoint === undefined ? {} : { endpoint, forcePathStyle: settings.pathStyle ?? true }),
    ...(credentialsFile === undefined ? {} : { credentials: () => credentialsOf(credentialsFile) }),
    maxAttempts: TRIES_MAX,
    // Checksums are made and compared here, by the processor's own instruction.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    followRegionRedirects: true,
    // A round trip for each put, and a connection that is used once.
    expectContinueHeader: false,
    requestHandler: await requestHandlerOf(settings),
  } satisfies S3ClientConfig);
  await requireRegion(client, settings);
  return client;
}

async function requestHandlerOf({ caFile }: S3Settings): Promise<NonNullable<S3ClientConfig['requestHandler']>> {
  const ca = caFile === undefined ? undefined : await readAuthority(caFile);
  const agent = { keepAlive: true, maxSockets: SOCKETS_MAX };
  return {
    connectionTimeout: CONNECTION_MS,
    socketTimeout: SILENT_MS,
    httpAgent: new HttpAgent(agent),
    httpsAgent: new HttpsAgent(ca === undefined ? agent : { ...agent, ca }),
  };
}

async function readAuthority(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw new RstowError('invalid-config', `caFile ${path} cannot be read`, { details: { path }, cause });
  }
}

async function requireRegion(client: S3Client, settings: S3Settings): Promise<void> {
  try {
    await client.config.region();
  } catch (cause) {
    const sentence = `the region of ${s3Description(settings)} is not known: set its key region, or AWS_REGION`;
    throw new RstowError('invalid-config', sentence, { cause });
  }
}

type Credentials = { accessKeyId: string; secretAccessKey: string; sessionToken?: string; expiration: Date };

/** Fails: invalid-config. No part of the file enters an error. */
async function credentialsOf(path: string): Promise<Credentials> {
  const values = defaultProfile(await readSecretFile(path));
  const accessKeyId = values.get('aws_access_key_id');
  const secretAccessKey = values.get('aws_secret_access_key');
  const sessionToken = values.get('aws_session_token');
  if (accessKeyId === undefined || secretAccessKey === undefined) {
    const missing = accessKeyId === undefined ? 'aws_access_key_id' : 'aws_secret_access_key';
    throw new RstowError('invalid-config', `credentialsFile ${path} has no ${missing} under [default]`, { details: { path } });
  }
  const expiration = new Date(Date.now() + CREDENTIALS_MS);
  return sessionToken === undefined
    ? { accessKeyId, secretAccessKey, expiration }
    : { accessKeyId, secretAccessKey, sessionToken, expiration };
}

/** What stands above the first section counts too. */
function defaultProfile(text: string): Map<string, string> {
  const values = new Map<string, string>();
  let section = 'default';
  for (const line of text.split('\n').map((one) => one.trim())) {
    const [, name] = /^\[\s*([^\]]*?)\s*\]$/.exec(line) ?? [];
    section = name ?? section;
    const [, key, value] = /^([a-z_]+)\s*=\s*(\S+)$/.exec(line) ?? [];
    if (section === 'default' && key !== undefined && value !== undefined) values.set(key, value);
  }
  return values;
}
