import { mkdir, mkdtemp, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { compactionRemedy } from '../../../src/core/protection/compaction.ts';
import { readServerSettings } from '../../../src/database/server-settings.ts';
import { type RstmdbServer, startRstmdb } from '../../support/rstmdb-server.ts';

describe('the settings of a running server', () => {
  let folder: string;
  let file: string;
  let server: RstmdbServer | undefined;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'rstow-settings-'));
    await mkdir(join(folder, 'data'));
    file = join(folder, 'rstmdb.yaml');
  });

  afterEach(async () => {
    await server?.kill();
    server = undefined;
    await rm(folder, { recursive: true, force: true });
  });

  const start = async (env: Record<string, string>): Promise<void> => {
    server = await startRstmdb({ dataDir: join(folder, 'data'), env });
  };
  const compaction = async (configFiles: string[] = [], env: Record<string, string> = {}) => {
    const address = server?.address ?? '127.0.0.1:1';
    const service = { program: { command: ['rstmdb'], env } };
    const place = { server: { dataDir: join(folder, 'data'), address, service }, settings: { server: { configFiles } } };
    return (await readServerSettings(place)).compaction;
  };
  const writeConfig = async (text: string): Promise<void> => {
    await writeFile(file, text);
    await utimes(file, 1_000_000_000, 1_000_000_000);
  };

  test('are the default, compaction on, if nothing says otherwise', async () => {
    await start({});
    expect(await compaction([file])).toEqual({ isOn: true, source: { kind: 'default' } });
  });

  test('come from its environment before its config file', async () => {
    await writeConfig('compaction: {enabled: true}\n');
    await start({ RSTMDB_CONFIG: file, RSTMDB_COMPACT_ENABLED: 'False' });
    expect(await compaction()).toEqual({ isOn: false, source: { kind: 'environment', pid: server?.pid, value: 'False' } });
  });

  test('come from its config file, and from the default if that leaves them out', async () => {
    await writeConfig('compaction: {enabled: false}\n');
    await start({ RSTMDB_CONFIG: file });
    expect(await compaction()).toEqual({ isOn: false, source: { kind: 'file', file } });
    await writeConfig('compaction: {size_threshold_mb: 1}\n');
    expect(await compaction()).toEqual({ isOn: true, source: { kind: 'default', file } });
  });

  test('count as on if the file that turns compaction off was written after the start', async () => {
    await writeConfig('network: {}\n');
    await start({ RSTMDB_CONFIG: file });
    await writeFile(file, 'compaction: {enabled: false}\n');
    const later = new Date(Date.now() + 60_000);
    await utimes(file, later, later);
    const found = await compaction();
    expect(found).toEqual({ isOn: true, source: { kind: 'changed-file', file, saysOn: false } });
    expect(compactionRemedy(found)).toBe(`restart the server, so that it reads ${file} again`);
  });

  test('have the fsync policy as the server writes it, and what else may lose data', async () => {
    await writeConfig('storage: {fsync_policy: !every_ms 100, allow_flush_all: true}\nmetrics: {enabled: true}\n');
    const place = { server: { dataDir: join(folder, 'data'), address: '127.0.0.1:1', service: { program: undefined } } };
    const read = async () => readServerSettings({ ...place, settings: { server: { configFiles: [file] } } });
    expect(await read()).toMatchObject({
      fsync: { policy: 'every_ms:100', source: `storage.fsync_policy in ${file}` },
      flushAll: { isOn: true },
      metrics: { isOn: true },
    });
    await writeConfig('storage: {fsync_policy: never}\n');
    expect(await read()).toMatchObject({ fsync: { policy: 'never' }, flushAll: { isOn: false }, metrics: { isOn: false } });
    await writeConfig('storage: {fsync_policy: !every_n 7}\n');
    expect((await read()).fsync.policy).toBe('every_n:7');
    await start({ RSTMDB_CONFIG: file, RSTMDB_FSYNC_POLICY: 'every_ms:20' });
    expect((await read()).fsync).toEqual({
      policy: 'every_ms:20',
      source: `RSTMDB_FSYNC_POLICY=every_ms:20 in the environment of process ${server?.pid}`,
    });
  });

  test('come from what rstow starts it with if it does not run, and from itself if it does', async () => {
    const env = { RSTMDB_COMPACT_ENABLED: 'false' };
    expect(await compaction([], env)).toEqual({ isOn: false, source: { kind: 'service', value: 'false' } });
    await start({});
    expect(await compaction([], env)).toEqual({ isOn: true, source: { kind: 'default' } });
  });

  test('come from the named config files if its process can not be seen', async () => {
    await writeConfig('compaction: {enabled: false}\n');
    expect(await compaction([file])).toEqual({ isOn: false, source: { kind: 'file', file } });
    expect(await compaction([join(folder, 'nowhere.yaml')])).toEqual({ isOn: true, source: { kind: 'unseen' } });
  });
});
