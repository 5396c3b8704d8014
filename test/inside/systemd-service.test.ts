/** On a host whose PID 1 is systemd: test/hosts/systemd.test.ts boots one and runs this file there. */
import { execFile } from 'node:child_process';
import { statSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createSystemdService, killSignal } from '../../src/io/service/systemd-service.ts';
import type { Service } from '../../src/io/service/service.ts';
import { freePort } from '../support/free-port.ts';
import { toolPath } from '../support/tools.ts';
import { serviceSuite } from '../suites/service-suite.ts';
import { installUnit, isSystemdHost, removeUnits, systemctl } from './units.ts';

const run = promisify(execFile);

afterEach(removeUnits);

describe.runIf(isSystemdHost)('on a host with systemd', () => {
  serviceSuite('systemd', async (place) => createSystemdService({ unit: await installUnit(place), stopTimeoutMs: place.stopTimeoutMs }));

  describe('the unit of a server', () => {
    let folder: string;
    let service: Service;
    let unit: string;

    beforeEach(async () => {
      folder = await mkdtemp(join(tmpdir(), 'rstow-unit-'));
    });

    afterEach(() => rm(folder, { recursive: true }));

    async function startedUnit(lines: readonly string[], options: { unitFolder?: string } = {}): Promise<void> {
      const env = { RSTMDB_DATA: join(folder, 'data'), RSTMDB_BIND: `127.0.0.1:${await freePort()}`, RSTMDB_METRICS_ENABLED: 'false' };
      unit = await installUnit({ folder, command: [toolPath('rstmdb')], env, lines, ...options });
      service = createSystemdService({ unit, stopTimeoutMs: 5_000 });
      await service.start();
    }

    const property = (name: string): string => systemctl('show', '--value', `--property=${name}`, unit).trim();
    const startByHand = () => run('systemctl', ['start', unit]);

    test.each(['SIGTERM', 'SIGINT'])('ends by SIGINT, and stays down, though it says KillSignal=%s and Restart=always', async (signal) => {
      await startedUnit([`KillSignal=${signal}`, 'Restart=always', 'RestartSec=100ms']);
      await service.stop();
      await sleep(1_000);
      expect(await service.logTail()).toMatch(/Received shutdown signal[^]*Server stopped$/);
      expect(await service.isRunning()).toBe(false);
    });

    test('is started by nobody while the data directory is blocked, and by everybody again once it isn’t', async () => {
      const blockFile = join(folder, '50% of it', 'snapshots');
      await mkdir(join(folder, '50% of it'));
      await startedUnit(['Restart=always', 'RestartSec=100ms']);
      await writeFile(blockFile, 'blocked');
      await service.refuseStartsWhile?.(blockFile);
      process.kill(Number(property('MainPID')), 'SIGKILL');
      await sleep(1_000);
      expect(await service.isRunning()).toBe(false);
      await expect(startByHand()).rejects.toThrow('Assertion failed');
      await expect(run('systemctl', ['restart', unit])).rejects.toThrow('Assertion failed');
      await expect(service.start()).rejects.toMatchObject({ code: 'service-start-failed' });
      await rm(blockFile);
      await startByHand();
      expect(await service.isRunning()).toBe(true);
      await service.stop();
      await mkdir(blockFile);
      await service.start();
      expect(await service.isRunning()).toBe(true);
    });

    test('is held back without another reload if it was before', async () => {
      await startedUnit([]);
      await service.refuseStartsWhile?.(join(folder, 'block'));
      const dropIn = `/run/systemd/system/${unit}.d/zz-rstow.conf`;
      expect(property('DropInPaths')).toBe(dropIn);
      const before = statSync(dropIn).ino;
      await service.refuseStartsWhile?.(join(folder, 'block'));
      expect(statSync(dropIn).ino).toBe(before);
      await service.refuseStartsWhile?.(join(folder, 'other'));
      expect(statSync(dropIn).ino).not.toBe(before);
    });

    test('is stopped all the same where its manager’s folder can’t be written: the block alone holds it down then', async () => {
      await startedUnit([]);
      const folders = '/run/systemd/system';
      const readOnly = `mount --bind ${folders} ${folders} && mount -o remount,bind,ro ${folders} && exec "$@"`;
      const turn = [process.execPath, TURN, unit, join(folder, 'block')];
      expect((await run('unshare', ['--mount', 'sh', '-c', readOnly, 'sh', ...turn])).stdout).toBe('stopped\nstarted\n');
      expect(property('DropInPaths')).toBe('');
    });

    test('comes up although too many starts were refused meanwhile', async () => {
      await startedUnit(['Restart=always', 'RestartSec=50ms', `ExecStartPre=/usr/bin/test ! -e ${join(folder, 'block')}`]);
      await service.stop();
      await writeFile(join(folder, 'block'), '');
      await expect(startByHand()).rejects.toThrow();
      await expect.poll(() => property('ActiveState'), { timeout: 10_000 }).toBe('failed');
      await rm(join(folder, 'block'));
      await expect(startByHand()).rejects.toThrow();
      await service.start();
      expect(await service.isRunning()).toBe(true);
    });

    test('is not stopped if its operator has masked it: nobody could start it again', async () => {
      await startedUnit([], { unitFolder: '/usr/local/lib/systemd/system' });
      systemctl('mask', unit);
      await expect(service.stop()).rejects.toMatchObject({
        code: 'service-stop-failed',
        message: expect.stringContaining('masked') as string,
      });
      expect(await service.isRunning()).toBe(true);
      systemctl('unmask', unit);
      await service.stop();
      systemctl('mask', unit);
      await expect(service.start()).rejects.toMatchObject({
        code: 'service-start-failed',
        message: expect.stringContaining('masked') as string,
      });
      systemctl('unmask', unit);
    });

    test('says by which signal it is stopped, and nothing of units that there aren’t', async () => {
      await startedUnit(['KillSignal=SIGINT']);
      expect(await killSignal(unit.replace('.service', ''))).toBe(2);
      expect(await killSignal('other')).toBeUndefined();
      const other = createSystemdService({ unit: 'other', stopTimeoutMs: 5_000 });
      await expect(other.isRunning()).rejects.toMatchObject({ code: 'failed', message: 'systemd knows no unit other.service' });
    });

    test('is stopped and started by its own user, whom a rule of polkit lets, and by no other one', async () => {
      await startedUnit(['User=rstmdb', `ExecStartPre=+/bin/chown rstmdb ${folder}`]);
      await chmod(folder, 0o755);
      await writeFile('/etc/polkit-1/rules.d/50-rstow.rules', POLKIT_RULE.replace('UNIT', unit));
      await run('systemctl', ['restart', 'polkit']);
      const asUser = (user: string) => run('runuser', ['-u', user, '--', process.execPath, TURN, unit]);
      await expect(asUser('nobody')).rejects.toThrow('authentication required');
      const before = property('MainPID');
      expect((await asUser('rstmdb')).stdout).toBe('stopped\nstarted\n');
      expect(property('MainPID')).not.toBe(before);
      expect(await service.isRunning()).toBe(true);
    });
  });
});

const TURN = fileURLToPath(new URL('./stop-and-start.ts', import.meta.url));

/** As docs/security.md has it. */
const POLKIT_RULE = `polkit.addRule(function (action, subject) {
  if (action.id == "org.freedesktop.systemd1.manage-units" &&
      action.lookup("unit") == "UNIT" &&
      subject.user == "rstmdb") return polkit.Result.YES;
});
`;
