/** What `rstow up` makes of a server that is a unit; runs where systemd-service.test.ts does. */
import { realpathSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { parseServerAddress, portState } from '../../src/io/service/ports.ts';
import { type FlagConfig, flagConfigFile } from '../../src/up/flag-config.ts';
import { loadConfig } from '../../src/worker/load-config.ts';
import { freePort } from '../support/free-port.ts';
import { toolPath } from '../support/tools.ts';
import { waitUntil } from '../support/wait-until.ts';
import { installUnit, isSystemdHost, removeUnits, systemctl } from './units.ts';

afterEach(removeUnits);

describe.runIf(isSystemdHost)('`rstow up` beside a server that is a unit', () => {
  test('writes down which unit it is, and says what that unit lacks until it has it', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'rstow-found-unit-'));
    const server = `127.0.0.1:${await freePort()}`;
    const env = { RSTMDB_DATA: join(folder, 'data'), RSTMDB_BIND: server, RSTMDB_METRICS_ENABLED: 'false' };
    const unit = await installUnit({ folder, command: [toolPath('rstmdb')], env });
    systemctl('start', unit);
    await waitUntil('it answers', async () => (await portState(parseServerAddress(server), 1000)).kind === 'open');
    const flags = (name: string): FlagConfig => ({
      database: 'orders',
      dataDir: env.RSTMDB_DATA,
      server,
      repository: join(folder, `${name}-backups`),
      stateDir: join(folder, name),
    });

    const { file, found } = await flagConfigFile(flags('first'));
    const settings = (await loadConfig(file)).databases['orders'];
    expect(settings?.service).toMatchObject({ kind: 'systemd', unit });
    expect(settings?.rehearsal).toMatchObject({ command: [realpathSync(toolPath('rstmdb'))], env });
    const [path = '', ...lines] = dropInOf(found?.todo ?? []);
    expect(path).toBe(`/etc/systemd/system/${unit}.d/rstow.conf`);

    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, `${lines.join('\n')}\n`);
    systemctl('daemon-reload');
    systemctl('restart', unit);
    expect(systemctl('show', '--value', '--property=KillSignal', unit).trim()).toBe('2');
    expect(await readFile(path, 'utf8')).toContain(`guard --before-start orders --config ${file}`);
    await waitUntil('it answers', async () => (await portState(parseServerAddress(server), 1000)).kind === 'open');
    expect((await flagConfigFile(flags('second'))).found?.todo).toEqual([]);
    await rm(folder, { recursive: true });
  });
});

/** The file's path, and what is to be in it. */
function dropInOf(todo: readonly string[]): string[] {
  const at = todo.findIndex((line) => line.endsWith('rstow.conf:'));
  const lines = todo.slice(at + 1).filter((line) => line.startsWith('  '));
  return [(todo[at] ?? '').slice(0, -1), ...lines.map((line) => line.trim())];
}
