import { open } from 'node:fs/promises';
import { basename } from 'node:path';
import { Readable } from 'node:stream';
import type { Attachment } from '../../formats/repository/manifest.ts';
import type { Warning } from '../../contract/result.ts';
import { hasSnapshots, packSnapshots } from '../../io/data-directory/snapshots.ts';
import { errnoOf, systemMessage } from '../../io/files/errno.ts';
import { withoutSecrets } from '../../io/rstmdb/secrets.ts';
import { getMachine, listMachines } from '../../io/rstmdb/server.ts';
import type { RstmdbClient } from '../../io/rstmdb/rstmdb-client.ts';
import type { ActivityDeps } from '../activity-deps.ts';
import { openDatabase } from '../../database/database.ts';
import type { RunPort } from '../run-port.ts';
import { CONFIG_FILE_BYTES_MAX } from '../../store/attachments.ts';

export type StoreAttachmentsInput = {
  database: string;
  repository: string;
  label: string;
  /** Only where the log is not whole: with the whole log nobody ever needs a snapshot. */
  withSnapshots: boolean;
};

export type StoredAttachments = { attachments: Attachment[]; warnings: Warning[] };

/**
 * Keeps what a new host or a rescue needs beside the log: machine definitions, the server's config files without their secrets, and the
 * snapshots where the log alone can't rebuild them. A config file that can't be read is a warning: the data matter more.
 * Fails: server-unreachable, repository-unavailable. Twice: what is there stays.
 */
export const storeAttachments =
  (deps: ActivityDeps) =>
  async (input: StoreAttachmentsInput, run: RunPort): Promise<StoredAttachments> => {
    const { settings, server, dataDir } = openDatabase(deps, input.database);
    const store = await deps.openStore(input.database, input.repository);
    const attach = async (name: string, source: Readable): Promise<Attachment> =>
      (await store.attachments.put({ label: input.label, name, runId: run.runId, signal: run.signal }, source)).attachment;
    const machines = await server.ask(machinesJson, { signal: run.signal });
    const attachments = [await attach('machines.json', Readable.from([Buffer.from(machines)]))];
    const warnings: Warning[] = [];
    for (const [index, file] of settings.server.configFiles.entries()) {
      const content = await configContent(file);
      if ('code' in content) warnings.push(content);
      else attachments.push(await attach(`server-config-${index + 1}-${safeName(basename(file))}`, Readable.from([content])));
    }
    if (input.withSnapshots && (await hasSnapshots(dataDir))) {
      attachments.push(await attach('snapshots.tar', packSnapshots(dataDir)));
    }
    return { attachments, warnings };
  };

/** Whoever reads a repository must not find keys to a server in it. */
async function configContent(file: string): Promise<Buffer | Warning> {
  try {
    await using handle = await open(file);
    const stats = await handle.stat();
    if (!stats.isFile()) return unread(file, 'it is not a file');
    if (stats.size > CONFIG_FILE_BYTES_MAX) return unread(file, `it has more than ${CONFIG_FILE_BYTES_MAX} bytes`);
    return withoutSecrets(await handle.readFile());
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
    return unread(file, systemMessage(error as Error));
  }
}

function unread(file: string, why: string): Warning {
  return {
    code: 'config-file-unread',
    message: `the server’s config file ${file} is not in this backup, so a new host would lack it (${why})`,
  };
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
