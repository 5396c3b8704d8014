/**
 * `node scripts/evidence/s3-throughput.ts [MIB] [ROUNDS] [OBJECTS]`: how fast so much arrives in S3 over a way with 50 ms of latency, as rstow sends it
 * and as the AWS SDK's own parallel upload does, in turns, each in a process of its own: so many objects side by side. Needs what scripts/host-tools.sh
 * builds; docs/evidence.md keeps the outcome.
 */
import { randomBytes } from 'node:crypto';
import { spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { S3Client } from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { backendOf, createOpener } from '../../src/io/repository/open.ts';
import { s3Settings } from '../../test/support/s3-repository.ts';
import { type S3Server, startS3Server } from '../../test/support/s3-server.ts';
import { startToxiproxy } from '../../test/support/toxiproxy.ts';

const LATENCY_MS = 50;
const MEBIBYTE = 1024 * 1024;
const SAMPLE_MS = 50;
const WANTED_SHARE = 0.8;

const CONTENDERS = ['rstow', 'aws-sdk'] as const;
type Contender = (typeof CONTENDERS)[number];

type Sending = { contender: Contender; endpoint: string; bucket: string; credentialsFile: string; objects: number; objectMib: number };
type Outcome = { seconds: number; cpuSeconds: number; startMb: number; peakMb: number };

/** Blocks as a coding gives them, that nothing can compress. */
function* blocks(objectMib: number): Generator<Buffer> {
  const block = randomBytes(MEBIBYTE / 2);
  for (let index = 0; index < 2 * objectMib; index += 1) yield Buffer.from(block);
}

/** One process's part: sends all objects side by side. */
async function send(sending: Sending): Promise<Outcome> {
  const put = await putterOf(sending);
  const rssMb = (): number => process.memoryUsage.rss() / 1e6;
  const startMb = rssMb();
  let peakMb = startMb;
  const sampling = setInterval(() => (peakMb = Math.max(peakMb, rssMb())), SAMPLE_MS);
  const startedAtMs = performance.now();
  const before = process.cpuUsage();
  await Promise.all(Array.from({ length: sending.objects }, (_, index) => put(`big-${index}`)));
  const { user, system } = process.cpuUsage(before);
  clearInterval(sampling);
  return { seconds: (performance.now() - startedAtMs) / 1000, cpuSeconds: (user + system) / 1e6, startMb, peakMb };
}

async function putterOf({ contender, endpoint, bucket, credentialsFile, objectMib }: Sending): Promise<(key: string) => Promise<void>> {
  if (contender === 'aws-sdk') {
    const credentials = { accessKeyId: process.env['S3_KEY'] ?? '', secretAccessKey: process.env['S3_SECRET'] ?? '' };
    const client = new S3Client({ endpoint, region: 'us-east-1', forcePathStyle: true, credentials });
    return async (key) => {
      const Body = Readable.from(blocks(objectMib), { objectMode: false });
      await new Upload({ client, params: { Bucket: bucket, Key: key, Body } }).done();
    };
  }
  const backend = backendOf({ kind: 's3', bucket, endpoint, credentialsFile }, () => undefined);
  let id: string | undefined;
  const knownId = { read: async () => Promise.resolve(id), keep: async (kept: string) => Promise.resolve(void (id = kept)) };
  const repository = await createOpener({ backend, answerMs: 60_000, check: async () => undefined, knownId, onForeign: () => undefined })();
  return async (key) => {
    const staged = await repository.stage(key);
    await pipeline(Readable.from(blocks(objectMib), { objectMode: false }), staged.sink);
    await staged.commit(key);
  };
}

async function inItsOwnProcess(sending: Sending, { credentials }: S3Server): Promise<Outcome> {
  const env = { ...process.env, S3_KEY: credentials.accessKeyId, S3_SECRET: credentials.secretAccessKey };
  const child = spawn(process.execPath, [fileURLToPath(import.meta.url), JSON.stringify(sending)], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  return JSON.parse(await text(child.stdout)) as Outcome;
}

function median(values: readonly number[]): number {
  return values.toSorted((one, other) => one - other)[values.length >> 1] ?? Number.NaN;
}

async function compare(mib: number, rounds: number, objects: number): Promise<void> {
  const server = await startS3Server();
  const toxiproxy = await startToxiproxy();
  try {
    const proxy = await toxiproxy.proxyTo(server.port);
    await proxy.add({ type: 'latency', attributes: { latency: LATENCY_MS } });
    const { endpoint, credentialsFile } = s3Settings(server, '', { endpoint: `http://127.0.0.1:${proxy.port}` });
    const seconds: Record<Contender, number[]> = { rstow: [], 'aws-sdk': [] };
    for (let round = 0; round < rounds; round += 1) {
      // Who comes first has a disk that has rested.
      for (const contender of round % 2 === 0 ? CONTENDERS : CONTENDERS.toReversed()) {
        const bucket = await server.makeBucket();
        const sending = {
          contender,
          endpoint: endpoint ?? '',
          bucket,
          credentialsFile: credentialsFile ?? '',
          objects,
          objectMib: mib / objects,
        };
        const outcome = await inItsOwnProcess(sending, server);
        await server.emptyBucket(bucket);
        seconds[contender].push(outcome.seconds);
        const memory = `RSS ${outcome.startMb.toFixed(0)} MB, at most ${outcome.peakMb.toFixed(0)}`;
        console.log(
          `${contender}: ${outcome.seconds.toFixed(2)} s, ${(mib / outcome.seconds).toFixed(0)} MiB/s, CPU ${outcome.cpuSeconds.toFixed(1)} s, ${memory}`,
        );
      }
    }
    const share = median(seconds['aws-sdk']) / median(seconds.rstow);
    console.log(
      `${share >= WANTED_SHARE ? 'held' : 'MISSED'}: ${share.toFixed(2)} of the SDK's own parallel upload (${mib} MiB in ${objects} objects, ${rounds} rounds)`,
    );
    if (share < WANTED_SHARE) process.exitCode = 1;
  } finally {
    await toxiproxy.stop();
    await server.stop();
  }
}

const [first = '2048', rounds = '3', objects = '8'] = process.argv.slice(2);
if (first.startsWith('{')) console.log(JSON.stringify(await send(JSON.parse(first) as Sending)));
else await compare(Number(first), Number(rounds), Number(objects));
