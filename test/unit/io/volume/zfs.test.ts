import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseMounts } from '../../../../src/io/files/mounts.ts';
import { datasetOf, openZfsVolume, parseListed } from '../../../../src/io/volume/zfs.ts';
import { dropReceived, keepDataset, receiveStream, requireNewDataset } from '../../../../src/io/volume/zfs-stream.ts';

const MOUNTS = parseMounts(`22 1 254:0 / / rw - ext4 /dev/vda rw
40 22 0:33 / /tank rw - zfs tank rw
41 40 0:34 / /srv/legacy rw - zfs tank/legacy rw
42 22 0:35 /orders /srv/part rw - zfs tank/orders rw
43 22 0:36 /deep/down /srv/bound rw - zfs tank/whole rw
44 22 0:36 / /srv/whole rw - zfs tank/whole rw
`);

describe('the dataset of a data directory', () => {
  it('is what its mount shows, wherever that is, with the path in it', () => {
    expect(datasetOf(MOUNTS, '/tank/db/data')).toEqual({ name: 'tank', mountPoint: '/tank', path: 'db/data' });
    expect(datasetOf(MOUNTS, '/srv/legacy')).toEqual({ name: 'tank/legacy', mountPoint: '/srv/legacy', path: '' });
  });

  it('is found where only a folder of it is mounted, if all of it is mounted elsewhere', () => {
    expect(datasetOf(MOUNTS, '/srv/bound/data')).toEqual({ name: 'tank/whole', mountPoint: '/srv/whole', path: 'deep/down/data' });
    expect(() => datasetOf(MOUNTS, '/srv/part')).toThrow('the dataset tank/orders is mounted only in part, at /srv/part');
  });

  it('is refused on any other file system', () => {
    expect(() => datasetOf(MOUNTS, '/var/lib/rstmdb')).toThrow('/var/lib/rstmdb lies on /dev/vda (ext4), which is no dataset of ZFS');
  });

  it('is refused here, where there is none', async () => {
    await expect(openZfsVolume({ dataDir: '/proc' })).rejects.toMatchObject({ code: 'snapshot-unsupported' });
  });
});

it('reads snapshots as `zfs list` prints them, with what others have named', () => {
  const text = 'tank/db@rstow-orders-1\t1795000000\ntank/db@autosnap_2026-11-29 daily\t1795000100\n';
  expect(parseListed(text)).toEqual([
    { name: 'rstow-orders-1', takenAtMs: 1_795_000_000_000 },
    { name: 'autosnap_2026-11-29 daily', takenAtMs: 1_795_000_100_000 },
  ]);
});

/** A `zfs` that knows `tank`, `tank/none` and `tank/busy`, and notes how it is called. */
const FAKE_ZFS = `#!/bin/sh
echo "$@" >> "$(dirname "$0")/calls"
for last; do :; done
case "$1 $last" in
  'get tank') printf 'type\\tfilesystem\\nmountpoint\\t/tank\\navailable\\t1000\\n' ;;
  'get tank/none') printf 'type\\tfilesystem\\nmountpoint\\tnone\\navailable\\t1000\\n' ;;
  'get tank/busy') printf 'type\\tfilesystem\\nrstow:received-by\\thost/run\\n' ;;
  'get '*) echo "cannot open '$last': dataset does not exist" >&2; exit 1 ;;
  'receive tank/full') cat > /dev/null; echo 'cannot receive: out of space' >&2; exit 1 ;;
  'receive '*) cat > "$(dirname "$0")/received" ;;
esac
`;

describe('receiving a dataset', () => {
  const path = process.env['PATH'];
  const never = new AbortController().signal;
  let folder: string;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'rstow-fake-zfs-'));
    await writeFile(join(folder, 'zfs'), FAKE_ZFS);
    await chmod(join(folder, 'zfs'), 0o755);
    process.env['PATH'] = `${folder}:${path}`;
  });

  afterEach(async () => {
    process.env['PATH'] = path;
    await rm(folder, { recursive: true });
  });

  const calls = async (): Promise<string[]> => (await readFile(join(folder, 'calls'), 'utf8')).trim().split('\n');

  async function* stream(): AsyncGenerator<Uint8Array> {
    yield Buffer.from('a stream');
  }

  it('needs a name that is free below a file system that is mounted', async () => {
    expect(await requireNewDataset('tank/copy')).toEqual({ mountPoint: '/tank/copy', availableBytes: 1000 });
    await expect(requireNewDataset('tank/busy')).rejects.toMatchObject({ code: 'target-not-empty' });
    await expect(requireNewDataset('nowhere/copy')).rejects.toMatchObject({ code: 'invalid-input' });
    await expect(requireNewDataset('tank/none/copy')).rejects.toMatchObject({ code: 'target-not-allowed' });
  });

  it('marks whose it is, and mounts nothing', async () => {
    await receiveStream({ dataset: 'tank/copy', by: 'host/run' }, stream(), never);
    expect(await readFile(join(folder, 'received'), 'utf8')).toBe('a stream');
    expect(await calls()).toEqual(['receive -u -o rstow:received-by=host/run tank/copy']);
  });

  it('fails with what `zfs` said', async () => {
    const receiving = receiveStream({ dataset: 'tank/full', by: 'host/run' }, stream(), never);
    await expect(receiving).rejects.toMatchObject({ code: 'failed', message: 'zfs failed (exit code 1): cannot receive: out of space' });
  });

  it('drops what the same run has received, and nothing else', async () => {
    await dropReceived({ dataset: 'tank/busy', by: 'host/another' });
    await dropReceived({ dataset: 'tank/gone', by: 'host/run' });
    expect((await calls()).filter((call) => call.startsWith('destroy'))).toEqual([]);
    await dropReceived({ dataset: 'tank/busy', by: 'host/run' });
    expect((await calls()).at(-1)).toBe('destroy -r tank/busy');
  });

  it('takes its mark off what is kept', async () => {
    await keepDataset('tank/busy', 'rstow-orders-run');
    expect((await calls()).at(-1)).toBe('inherit rstow:received-by tank/busy');
  });
});
