/** A server that somebody has started by hand: found, stopped and started again the same way. */
import { type ChildProcess, spawn } from 'node:child_process';
import { realpathSync } from 'node:fs';
import { chmod, chown, mkdir, mkdtemp, readFile, readlink, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openServer } from '../../../src/database/database.ts';
import { startServer } from '../../../src/database/server-start.ts';
import type { AgentConfig, DatabaseConfig } from '../../../src/config/agent-config.ts';
import { readEnvironment } from '../../../src/io/process/proc.ts';
import { discoverServer, findServerProcess } from '../../../src/io/rstmdb/discover-server.ts';
import { endHolders } from '../../../src/io/service/prove-stopped.ts';
import { parseServerAddress, portState } from '../../../src/io/service/ports.ts';
import { loadConfig } from '../../../src/worker/load-config.ts';
import { flagConfigFile } from '../../../src/up/flag-config.ts';
import { freePort } from '../../support/free-port.ts';
import { toolPath } from '../../support/tools.ts';
import { waitUntil } from '../../support/wait-until.ts';

const NOBODY = 65_534;
const RSTMDB = realpathSync(toolPath('rstmdb'));
const isRoot = process.getuid?.() === 0;

describe('a server that was started by hand', () => {
  let folder: string;
  let dataDir: string;
  let address: string;
  let script: ChildProcess | undefined;

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'rstow-found-'));
    await chmod(folder, 0o755);
    dataDir = join(folder, 'data');
    address = `127.0.0.1:${await freePort()}`;
    await mkdir(dataDir);
  });

  afterEach(async () => {
    script?.kill('SIGKILL');
    await endHolders(dataDir, { graceMs: 0 });
    await rm(folder, { recursive: true, force: true });
  });

  /** By a script that goes on, in whose process group the server is; its data directory is a relative path. */
  async function startByHand(env: Record<string, string>, user?: number): Promise<void> {
    if (user !== undefined) await chown(dataDir, user, user);
    const settings = { RSTMDB_BIND: address, RSTMDB_DATA: 'data', RSTMDB_METRICS_ENABLED: 'false', ...env };
    script = spawn('sh', ['-c', `${RSTMDB} & wait; exec sleep 600`], {
      cwd: folder,
      env: { PATH: process.env['PATH'] ?? '', ...settings },
      stdio: 'ignore',
      ...(user === undefined ? {} : { uid: user, gid: user }),
    });
    await waitUntil('the server answers', async () => (await portState(parseServerAddress(address), 1000)).kind === 'open');
  }

  async function keptConfig(): Promise<{ config: AgentConfig; settings: DatabaseConfig; text: string; file: string }> {
    const flags = { database: 'orders', dataDir, server: address, repository: join(folder, 'backups'), stateDir: join(folder, 'state') };
    const { file } = await flagConfigFile(flags);
    const config = await loadConfig(file);
    return { config, settings: config.databases['orders'] as DatabaseConfig, text: await readFile(file, 'utf8'), file };
  }

  async function serverPid(): Promise<number> {
    return (await findServerProcess({ dataDir, address }))?.pid ?? 0;
  }

  test.skipIf(!isRoot)('is stopped without its script, and started again as its own user, in its own place (needs root)', async () => {
    await startByHand({ RSTMDB_COMPACT_ENABLED: 'false' }, NOBODY);
    const before = await serverPid();
    const { config, settings, file } = await keptConfig();
    expect(settings.service).toMatchObject({ kind: 'process', user: 'nobody', cwd: folder, command: [RSTMDB] });
    expect(settings.rehearsal).toMatchObject({ command: [RSTMDB], env: { RSTMDB_COMPACT_ENABLED: 'false' } });
    expect((await stat(file)).mode & 0o777).toBe(0o600);

    const server = openServer(settings, config.timing);
    const { service } = server;
    expect(await service.isRunning()).toBe(true);
    await service.stop();
    expect(await serverPid()).toBe(0);
    expect(script?.exitCode).toBeNull();

    await startServer(server);
    const after = await serverPid();
    expect(after).not.toBe(before);
    expect((await stat(`/proc/${after}`)).uid).toBe(NOBODY);
    expect(await readlink(`/proc/${after}/cwd`)).toBe(folder);
    expect((await readEnvironment(after))?.get('RSTMDB_COMPACT_ENABLED')).toBe('false');
    await service.stop();
    expect(await service.isRunning()).toBe(false);
  });

  test('keeps its secrets out of the config file, and is then not started by rstow', async () => {
    await startByHand({ RSTMDB_REPL_AUTH_TOKEN: 'sesame-31415' });
    const { settings, text } = await keptConfig();
    expect(text).not.toContain('sesame');
    expect(settings.service).toEqual({ kind: 'none' });
    expect(settings.rehearsal.command).toEqual([RSTMDB]);
  });

  test('is no unit of systemd, though a shell that a unit runs has started it', async () => {
    await startByHand({});
    expect(await discoverServer({ dataDir, address })).toMatchObject({ kind: 'process', pid: await serverPid() });
  });
});
