/** A real S3 server for tests, versitygw, with buckets in a fresh folder. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CreateBucketCommand, PutBucketVersioningCommand, S3Client } from '@aws-sdk/client-s3';
import { freePort } from './free-port.ts';
import { builtTool, lackOf } from './built-tools.ts';
import { endedWithUs, hasEnded, killChild, untilAnswering } from './server-child.ts';

const ACCESS_KEY_ID = 'rstow-test';
const SECRET_ACCESS_KEY = 'secret-of-the-tests';

/** What to put behind the name of a suite that needs it; undefined if it is there. */
export const lackForS3 = (): string | undefined => lackOf('versitygw');

export type BucketOptions = {
  versioned?: boolean;
  /** Objects can be kept from deletion; such a bucket is versioned too. */
  objectLock?: boolean;
};

export type S3Server = {
  /** `http://127.0.0.1:<port>`: settings name it with `pathStyle: true`. */
  endpoint: string;
  port: number;
  pid: number;
  region: string;
  credentials: { accessKeyId: string; secretAccessKey: string };
  /** As AWS's own tools write one. */
  credentialsFile: string;
  /** Sees and does everything, past rstow. */
  client: S3Client;
  /** Each has a name of its own. */
  makeBucket: (options?: BucketOptions) => Promise<string>;
  /** Where the objects of a bucket lie as files: to damage them, or to make many. */
  folderOf: (bucket: string) => string;
  /** Makes room on the disk, past the protocol. */
  emptyBucket: (bucket: string) => Promise<void>;
  /** Ends it as a crash would; what is stored stays. */
  kill: () => Promise<void>;
  /** Starts it again, on the same port. */
  start: () => Promise<void>;
  /** Ends it and removes its files. Twice: no-op. */
  stop: () => Promise<void>;
};

/** Starts one on a free port and waits until it answers. Where `lackForS3` says so it can't. */
export async function startS3Server(): Promise<S3Server> {
  const folder = await mkdtemp(join(tmpdir(), 'rstow-s3-'));
  const port = await freePort();
  const places = { folder, port, endpoint: `http://127.0.0.1:${port}` };
  const credentials = { accessKeyId: ACCESS_KEY_ID, secretAccessKey: SECRET_ACCESS_KEY };
  const credentialsFile = join(folder, 'credentials');
  for (const name of ['data', 'versions']) await mkdir(join(folder, name, 'buckets'), { recursive: true });
  const lines = ['[default]', `aws_access_key_id = ${ACCESS_KEY_ID}`, `aws_secret_access_key = ${SECRET_ACCESS_KEY}`, ''];
  await writeFile(credentialsFile, lines.join('\n'), { mode: 0o600 });
  const client = new S3Client({ endpoint: places.endpoint, region: 'us-east-1', forcePathStyle: true, credentials });
  const process = createProcess(places);
  const folderOf = (bucket: string): string => join(folder, 'data', 'buckets', bucket);
  const stop = async (): Promise<void> => {
    await process.kill();
    client.destroy();
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await process.start();
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    endpoint: places.endpoint,
    port,
    get pid() {
      return process.pid();
    },
    region: 'us-east-1',
    credentials,
    credentialsFile,
    client,
    makeBucket: (options) => makeBucket(client, options),
    folderOf,
    emptyBucket: async (bucket) => {
      for (const name of await readdir(folderOf(bucket))) await rm(join(folderOf(bucket), name), { recursive: true, force: true });
    },
    kill: process.kill,
    start: process.start,
    stop,
  };
}

let buckets = 0;

async function makeBucket(client: S3Client, { versioned, objectLock }: BucketOptions = {}): Promise<string> {
  const name = `bucket-${(buckets += 1)}`;
  await client.send(new CreateBucketCommand({ Bucket: name, ObjectLockEnabledForBucket: objectLock === true }));
  if (versioned === true || objectLock === true) {
    await client.send(new PutBucketVersioningCommand({ Bucket: name, VersioningConfiguration: { Status: 'Enabled' } }));
  }
  return name;
}

type Places = { folder: string; port: number; endpoint: string };
type ServerProcess = { pid: () => number; kill: () => Promise<void>; start: () => Promise<void> };

function createProcess({ folder, port, endpoint }: Places): ServerProcess {
  let child: ChildProcess | undefined;
  return {
    pid: () => child?.pid ?? 0,
    kill: async () => {
      if (child !== undefined) await killChild(child);
    },
    start: async () => {
      if (child === undefined || hasEnded(child)) child = spawnServer(folder, port);
      // Any answer will do: without credentials it refuses.
      await untilAnswering(child, async () => (await fetch(endpoint)).arrayBuffer());
    },
  };
}

function spawnServer(folder: string, port: number): ChildProcess {
  // Versions must lie in another parent than the objects.
  const args = ['--quiet', '--port', `127.0.0.1:${port}`, 'posix', '--versioning-dir', join(folder, 'versions', 'buckets')];
  const env = { PATH: process.env['PATH'], HOME: folder, ROOT_ACCESS_KEY: ACCESS_KEY_ID, ROOT_SECRET_KEY: SECRET_ACCESS_KEY };
  return endedWithUs(spawn(builtTool('versitygw'), [...args, join(folder, 'data', 'buckets')], { env, stdio: 'ignore' }));
}
