import { join } from 'node:path';
import { assert } from '../../core/errors/assert.ts';
import { makeFolder } from '../files/durable.ts';

/** What rstow keeps inside a data directory; on its file system, so that links and renames work. */
const FOLDER_NAME = '.rstow';
const PART = /^(?!\.+$)[A-Za-z0-9._-]{1,128}$/;

export function rstowFolder(dataDir: string): string {
  return join(dataDir, FOLDER_NAME);
}

/** Makes `<data>/.rstow`, private to the owner. Twice: no-op. */
export async function makeRstowFolder(dataDir: string): Promise<string> {
  const path = rstowFolder(dataDir);
  await makeFolder(path);
  return path;
}

/** Where a run that restores keeps its files, relative to the data directory, as stop notes name them. */
export function restoreFolderName(runId: string): string {
  return `${FOLDER_NAME}/restores/${pathPart(runId)}`;
}

/** Asserts that a run id or a timeline is one harmless part of a path. */
export function pathPart(text: string): string {
  assert(PART.test(text), `'${text}' is one part of a path`);
  return text;
}
