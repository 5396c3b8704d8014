import { execFile } from 'node:child_process';
import { chown, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';

const source = (file: string): string => new URL(`../../../../src/${file}`, import.meta.url).pathname;

/** There, as in a rootless container, no user but root exists. */
const PLACE = `
  import { placeConfigFile } from '${source('io/rstmdb/config-file.ts')}';
  import { repairSegment } from '${source('local/repair-segment.ts')}';
  const folder = process.argv[1];
  await placeConfigFile({ path: folder + '/server.yaml', gid: 2345, content: async () => Buffer.from('a: 1') });
  await repairSegment(folder + '/1.wal');`;

test.runIf(process.getuid?.() === 0)('a file whose owner doesn’t exist on the host is placed and repaired all the same', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'rstow-give-to-'));
  try {
    await writeFile(join(folder, '1.wal'), '', { mode: 0o644 });
    await chown(join(folder, '1.wal'), 1234, 2345);
    const node = [process.execPath, '--disable-warning=ExperimentalWarning', '--input-type=module', '--eval', PLACE, folder];
    await promisify(execFile)('unshare', ['--user', '--map-root-user', ...node]);
    expect(await readFile(join(folder, 'server.yaml'), 'utf8')).toBe('a: 1');
    expect(await readFile(join(folder, '1.wal.repaired'), 'utf8')).toBe('');
  } finally {
    await rm(folder, { recursive: true });
  }
});
