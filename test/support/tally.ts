/** Instances with as many events as a test wants, each of which changes something. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describeRecord } from '../../src/core/recovery/log-record.ts';
import { createRecordScanner } from '../../src/core/wal/record-scanner.ts';
import { parseSegmentFileName } from '../../src/core/wal/wal-offset.ts';
import { crc32c } from '../../src/io/checksum/checksum.ts';
import { applyEvent, createInstance } from '../../src/io/rstmdb/instances.ts';
import type { RstmdbClient } from '../../src/io/rstmdb/rstmdb-client.ts';
import { type Machine, putMachine } from '../../src/io/rstmdb/server.ts';

export const TALLY_MACHINE: Machine = {
  machine: 'tally',
  version: 1,
  definitionText: JSON.stringify({
    states: ['open', 'closed'],
    initial: 'open',
    transitions: [
      { from: 'open', event: 'ADD', to: 'open' },
      { from: 'open', event: 'CLOSE', to: 'closed', guard: 'ctx.count > 0' },
    ],
  }),
};

/** Numbers that JSON.parse would round, or write otherwise. */
export const TALLY_CTX = '{"big":9007199254740993,"city":"Zürich","count":0,"price":1.0}';

/** A tally that has counted so far, and is closed. */
export async function writeTally(client: RstmdbClient, id: string, count: number): Promise<void> {
  await putMachine(client, TALLY_MACHINE);
  await createInstance(client, { id, machine: 'tally', version: 1, ctxText: TALLY_CTX });
  for (let number = 1; number <= count; number += 1) {
    await applyEvent(client, { instanceId: id, event: 'ADD', payloadText: `{"count":${number}}`, eventId: `add-${number}` });
  }
  await applyEvent(client, { instanceId: id, event: 'CLOSE', payloadText: '{}' });
}

/** What the log has of an instance: `create_instance`, or the event's name, in the order of its records. */
export async function deedsOf(walDir: string, id: string): Promise<string[]> {
  const deeds: string[] = [];
  for (const fileName of (await readdir(walDir)).filter((name) => name.endsWith('.wal')).sort()) {
    const onRecord: Parameters<typeof createRecordScanner>[0]['onRecord'] = (record) => {
      const described = describeRecord(parseSegmentFileName(fileName)!, record);
      if (described.instance === id) deeds.push(described.event ?? described.type);
    };
    createRecordScanner({ crc32c, startBytes: 0, onRecord }).push(await readFile(join(walDir, fileName)));
  }
  return deeds;
}
