import { expect, test } from 'vitest';
import { systemdUnit } from '../../../src/cli/systemd-unit.ts';

function lineOf(key: string, unit: string): string | undefined {
  return unit.split('\n').find((line) => line.startsWith(`${key}=`));
}

test('quotes what systemd would split, expand or take for a variable', () => {
  const unit = systemdUnit({ program: '/opt/my tools/rstow', args: ['up', '--config', '/etc/$x/50%"a\\b.yaml'], path: '/usr/bin' });
  expect(lineOf('ExecStart', unit)).toBe('ExecStart="/opt/my tools/rstow" up --config "/etc/$$x/50%%\\"a\\\\b.yaml"');
});

test('stops only rstow itself, so that servers and the watchdog outlive it, and starts it again always', () => {
  const unit = systemdUnit({ program: '/usr/bin/rstow', args: ['up'], path: '/usr/bin:/bin:/usr/bin' });
  expect(lineOf('Type', unit)).toBe('Type=simple');
  expect(lineOf('KillMode', unit)).toBe('KillMode=process');
  expect(lineOf('Restart', unit)).toBe('Restart=always');
  expect(lineOf('Environment', unit)).toBe('Environment=PATH=/usr/bin:/bin');
});

test('has nothing that puts mounts between a data directory and its pins, or hides processes', () => {
  const unit = systemdUnit({ program: '/usr/bin/rstow', args: ['up'], path: '/usr/bin' });
  for (const key of ['ReadWritePaths', 'BindPaths', 'ProtectProc', 'PrivateNetwork', 'PrivateTmp', 'MemoryDenyWriteExecute']) {
    expect(lineOf(key, unit)).toBeUndefined();
  }
  expect(lineOf('ProtectSystem', unit)).toBe('ProtectSystem=yes');
});
