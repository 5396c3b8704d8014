import { appendFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { expect, it } from 'vitest';
import type { RestartFacts } from '../../src/core/protection/restart-risk.ts';
import { encodeRecord, recordTypes } from '../../src/core/wal/record.ts';
import { segmentFileName, type SegmentId } from '../../src/core/wal/wal-offset.ts';
import { crc32c } from '../../src/io/checksum/checksum.ts';
import { DATABASE, type DatabaseStack } from '../support/database-stack.ts';
import { startLoadWriters } from '../support/load-writers.ts';
import { oddSource, writeOrders } from '../support/odd-source.ts';

const INSTANCES = 100_000;
const EVENTS_EACH = 5;
const SEGMENT_BYTES = 64 * 1024 * 1024;
const MIB = 1024 * 1024;
const SURVEY_MAIN = fileURLToPath(new URL('../support/survey-main.ts', import.meta.url));

/** What a server would have written; it replays it at its next start. */
async function writeLargeLog({ walDir, service, startServer }: DatabaseStack): Promise<void> {
  await service.stop();
  let sequence = 1_000;
  let segment = 1;
  let sizeBytes = 0;
  let parts: Uint8Array[] = [];
  const flush = async (): Promise<void> => {
    await appendFile(join(walDir, segmentFileName(segment as SegmentId)), Buffer.concat(parts));
    parts = [];
    segment += 1;
  };
  const add = (type: number, entry: object): void => {
    sequence += 1;
    const record = encodeRecord({ type, sequence, payload: Buffer.from(JSON.stringify(entry)) }, crc32c);
    parts.push(record);
    sizeBytes += record.length;
  };
  const ctx = { city: 'Zürich', text: 'x'.repeat(100) };
  for (let serial = 0; serial < INSTANCES; serial += 1) {
    const instance_id = `large-${serial}`;
    add(recordTypes.createInstance, {
      type: 'create_instance',
      instance_id,
      machine: 'order',
      version: 1,
      initial_state: 'created',
      initial_ctx: ctx,
    });
  }
  for (let round = 0; round < EVENTS_EACH; round += 1) {
    for (let serial = 0; serial < INSTANCES; serial += 1) {
      const names = { event: 'PAY', from_state: 'created', to_state: 'paid' };
      add(recordTypes.applyEvent, { type: 'apply_event', instance_id: `large-${serial}`, ...names, payload: null, ctx });
      if (sizeBytes >= segment * SEGMENT_BYTES) await flush();
    }
  }
  await flush();
  await startServer();
}

/** A survey by a process that may keep so much: it ends if it needs more, however lazily garbage is collected. */
async function surveyWithin(heapBytesMax: number, { configFile }: DatabaseStack): Promise<RestartFacts> {
  const args = [`--max-old-space-size=${heapBytesMax / MIB}`, '--disable-warning=ExperimentalWarning', SURVEY_MAIN, configFile, DATABASE];
  const { stdout } = await execa(process.execPath, args, { env: { NODE_OPTIONS: '' } });
  return JSON.parse(stdout) as RestartFacts;
}

it('holds 100,000 instances and 600,000 records against a busy server within seconds, in bounded memory', async () => {
  const stack = await oddSource({ segmentSizeMb: 64, serverEnv: { RSTMDB_FSYNC_POLICY: 'never' } });
  await writeOrders(stack.address, 2);
  await writeLargeLog(stack);
  const load = await startLoadWriters({ address: stack.address, writers: 2 });
  const beganAtMs = performance.now();
  const { compared, records } = await surveyWithin(150 * MIB, stack);
  const tookMs = performance.now() - beganAtMs;
  await load.stop();
  expect(records).toBeGreaterThan(INSTANCES * (EVENTS_EACH + 1));
  expect(compared).toMatchObject({ kind: 'instances', machines: { lacking: { count: 0 }, unshown: { count: 0 } } });
  expect(compared?.instances).toMatchObject({ lacking: { count: 0 }, outdated: { count: 0 }, unshown: { count: 0 } });
  expect(tookMs).toBeLessThan(120_000);
}, 600_000);
