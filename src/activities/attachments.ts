import { createReadStream } from 'node:fs';
import { basename } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Attachment } from '../config/repository-json/manifest.ts';
import { backupKey } from '../core/repository/object-keys.ts';
import { createDigestStage } from '../io/checksum/digest-stage.ts';
import { hasSnapshots, packSnapshots } from '../io/data-directory/snapshots.ts';
import type { Repository } from '../io/repository/repository.ts';
import { getMachine, listMachines } from '../io/rstmdb/machines.ts';
import type { RstmdbClient } from '../io/rstmdb/rstmdb-client.ts';
import type { ActivityDeps } from './activity-deps.ts';
import { databaseSettings } from './database-settings.ts';
import { zstdCoding } from './piece-coding.ts';
import { withServer } from './rstmdb-connection.ts';
import type { RunPort } from './run-port.ts';

export type StoreAttachmentsInput = {
  database: string;
  repository: string;
  label: string;
  /** Only where the log is not whole: with the whole log nobody ever needs a snapshot. */
  withSnapshots: boolean;
};

/**
 * Keeps what a new host or a rescue needs beside the log: machine definitions, the server's config files, and the
 * snapshots where the log alone can't rebuild them. Fails: server-unreachable, repository-unavailable.
 * Twice: what is there stays.
 */
export const storeAttachments =
  (deps: ActivityDeps) =>
  async (input: StoreAttachmentsInput, run: RunPort): Promise<Attachment[]> => {
    const settings = databaseSettings(deps.config, input.database);
    const repository = await deps.openRepository(input.repository);
    const shelf: Shelf = { ...input, repository, signal: run.signal };
    const options = { timing: deps.config.timing, signal: run.signal };
    const machines = await withServer(settings.server, options, machinesJson);
    const attachments = [await attach(shelf, 'machines.json.zst', Readable.from([Buffer.from(machines)]))];
    for (const [index, file] of settings.server.configFiles.entries()) {
      const name = `server-config-${index + 1}-${safeName(basename(file))}.zst`;
      attachments.push(await attach(shelf, name, createReadStream(file)));
    }
    if (input.withSnapshots && (await hasSnapshots(settings.dataDir))) {
      attachments.push(await attach(shelf, 'snapshots.tar.zst', packSnapshots(settings.dataDir)));
    }
    return attachments;
  };

type Shelf = { repository: Repository; database: string; label: string; signal: AbortSignal };

async function attach(shelf: Shelf, name: string, source: Readable): Promise<Attachment> {
  const staged = await shelf.repository.stage();
  try {
    const stored = createDigestStage();
    await pipeline([source, ...zstdCoding.encode(), stored.stream, staged.sink], { signal: shelf.signal });
    await staged.commit(backupKey(shelf.database, shelf.label, name));
    const { sizeBytes, sha256 } = stored.result();
    return { name, storedBytes: sizeBytes, storedSha256: sha256 };
  } finally {
    await staged.discard();
  }
}

/** Raw definitions, so that their numbers keep their text. */
async function machinesJson(client: RstmdbClient): Promise<string> {
  const lines: string[] = [];
  for (const name of await listMachines(client)) {
    const { definitionText } = await getMachine(client, name);
    lines.push(`{"machine":${JSON.stringify(name.machine)},"version":${name.version},"definition":${definitionText}}`);
  }
  return `[\n${lines.join(',\n')}\n]\n`;
}

function safeName(name: string): string {
  return name.replaceAll(/[^A-Za-z0-9._-]/g, '_');
}
