import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { UNIT_FILE, unitFile } from '../../../scripts/unit-file.ts';
import { systemdUnit, unitPath, type UnitOptions } from '../../../src/cli/systemd-unit.ts';
import type { UnitFacts } from '../../../src/up/unit-facts.ts';

const FACTS: UnitFacts = {
  stateDir: '/var/lib/rstow',
  dataDirs: ['/var/lib/rstmdb'],
  user: 'rstmdb',
  notes: [],
  hasServers: false,
  hasVolumes: false,
  programs: [],
  servers: [],
};

function unitOf(options: Partial<UnitOptions> = {}): string {
  return systemdUnit({ program: '/usr/bin/rstow', args: ['up'], path: '/usr/bin', facts: FACTS, configFile: undefined, ...options });
}

function lineOf(key: string, unit: string): string | undefined {
  return unit.split('\n').find((line) => line.startsWith(`${key}=`));
}

test('quotes what systemd would split, expand or take for a variable', () => {
  const unit = unitOf({ program: '/opt/my tools/rstow', args: ['up', '--config', '/etc/$x/50%"a\\b.yaml'] });
  expect(lineOf('ExecStart', unit)).toBe('ExecStart="/opt/my tools/rstow" up --config "/etc/$$x/50%%\\"a\\\\b.yaml"');
});

test('stops only rstow itself, so that servers and the watchdog outlive it, and starts it again always', () => {
  const unit = unitOf({ path: '/usr/bin:/bin' });
  expect(lineOf('KillMode', unit)).toBe('KillMode=process');
  expect(lineOf('OOMPolicy', unit)).toBe('OOMPolicy=continue');
  expect(lineOf('Restart', unit)).toBe('Restart=always');
  expect(lineOf('Environment', unit)).toBe('Environment=PATH=/usr/bin:/bin');
});

test('has nothing that puts mounts between a data directory and its pins, or hides processes', () => {
  for (const key of ['ReadWritePaths', 'BindPaths', 'ProtectProc', 'PrivateNetwork', 'PrivateTmp', 'MemoryDenyWriteExecute']) {
    expect(lineOf(key, unitOf())).toBeUndefined();
  }
  expect(lineOf('ProtectSystem', unitOf())).toBe('ProtectSystem=full');
});

test('runs as the server’s user without any capability, else as root with those that it needs', () => {
  expect(lineOf('User', unitOf())).toBe('User=rstmdb');
  expect(lineOf('CapabilityBoundingSet', unitOf())).toBe('CapabilityBoundingSet=');
  const { user: _user, ...facts } = { ...FACTS, notes: ['Root, for the data directories belong to root.'] };
  const asRoot = unitOf({ facts });
  expect(lineOf('User', asRoot)).toBeUndefined();
  expect(asRoot).toContain('\n# Root, for the data directories belong to root.\nCapabilityBoundingSet=CAP_CHOWN ');
});

test('mounts snapshots where everybody sees them, and has the rights for that', () => {
  const { user: _user, ...facts } = { ...FACTS, hasVolumes: true };
  const unit = unitOf({ facts });
  expect(lineOf('CapabilityBoundingSet', unit)).toMatch(/ CAP_SYS_ADMIN CAP_IPC_LOCK CAP_MKNOD$/);
  expect(unit.split('\n').filter((line) => /^(Protect|Private|SystemCallFilter)/.test(line))).toEqual([]);
});

test('waits for the mounts of the data and of the state, and for no repository', () => {
  const facts = { ...FACTS, dataDirs: ['/data/a b', '/data/c'], stateDir: '/srv/rstow' };
  expect(lineOf('RequiresMountsFor', unitOf({ facts }))).toBe('RequiresMountsFor="/data/a b" /data/c /srv/rstow');
  expect(lineOf('StateDirectory', unitOf({ facts }))).toBeUndefined();
  expect(lineOf('StateDirectory', unitOf())).toBe('StateDirectory=rstow');
});

test('lets `up` say when it works, and never keeps a boot waiting for a cluster', () => {
  expect(lineOf('Type', unitOf())).toBe('Type=notify');
  expect(lineOf('Type', unitOf({ args: ['agent'] }))).toBe('Type=exec');
});

test('gives way to a server in its own unit, and not to the one that it starts itself', () => {
  expect(lineOf('IOWeight', unitOf())).toBe('IOWeight=50');
  expect(lineOf('IOWeight', unitOf({ facts: { ...FACTS, hasServers: true } }))).toBeUndefined();
});

test('says what is known without a config', () => {
  const unit = unitOf({ facts: undefined });
  expect(lineOf('RequiresMountsFor', unit)).toBeUndefined();
  expect(unit).toContain('# Run it as the user that owns the data directory');
});

test('is shipped as it is printed', async () => {
  expect(await readFile(UNIT_FILE, 'utf8')).toBe(await unitFile());
});

const SYSTEM_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rstow-unit-path-'));
  const files = { 'home/bin/ls-of-mine': 0o755, 'tools/temporal': 0o755, 'later/temporal': 0o755, 'data/engine': 0o644 };
  for (const [path, mode] of Object.entries(files)) {
    await mkdir(join(folder, path, '..'), { recursive: true });
    await writeFile(join(folder, path), '', { mode });
  }
});

afterAll(() => rm(folder, { recursive: true, force: true }));

test('gives the unit a PATH of the system’s folders and that of each program that is needed, with nothing else of a person’s PATH', async () => {
  const [home, tools, later, data] = ['home/bin', 'tools', 'later', 'data'].map((name) => join(folder, name));
  const searchPath = [home, tools, '/usr/bin', later, data, '.', '', tools].join(':');
  expect(await unitPath(searchPath, ['temporal', 'engine', 'sh', 'not-there'])).toBe(`${tools}:${SYSTEM_PATH}`);
});

test('names the two lines that let a server’s own unit start from its whole log, as the agent’s user', () => {
  expect(unitOf()).not.toContain('ExecStartPre');
  const servers = [{ unit: 'rstmdb.service', database: 'orders' }];
  expect(unitOf({ facts: { ...FACTS, servers } })).toContain(`
# /etc/systemd/system/rstmdb.service.d/rstow.conf:
#   [Service]
#   KillSignal=SIGINT
#   ExecStartPre=/usr/bin/rstow guard --before-start orders
`);
  const { user: _user, ...asRoot } = { ...FACTS, servers };
  expect(unitOf({ facts: asRoot, configFile: '/etc/rstow/rstow.yaml' })).toContain(
    '#   ExecStartPre=+/usr/bin/rstow guard --before-start orders --config /etc/rstow/rstow.yaml\n',
  );
});
