/**
 * The scripts of the database's own backup guide, run unchanged: test/fixtures/old-scripts holds them byte for byte.
 *
 * Each runs in a mount namespace of its own, in which /var/lib/rstmdb is the data directory of a test's real server and
 * /backup/rstmdb a folder of the test (test/support/old-host/enter.sh). What a script calls is real as well: `tar`,
 * `cp`, `gpg`, the client. Stand-ins of test/support/old-host/bin come first on PATH for the few that need what a test
 * doesn't have: a unit of systemd's (the same signal to the same server), a container, a user rstmdb, a volume group.
 * What they do is said in each. The ZFS script needs a pool; no stand-in plays one.
 */
import { execFileSync } from 'node:child_process';
import { realpathSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, readdir, stat, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import { liveDigest } from '../../src/replay/live-digest.ts';
import type { DatabaseStack } from './database-stack.ts';
import { freePort } from './free-port.ts';
import { type ProgramEnd, runProgram } from './run-program.ts';
import { toolPath } from './tools.ts';
import { waitUntil } from './wait-until.ts';

const SCRIPTS = fileURLToPath(new URL('../fixtures/old-scripts', import.meta.url));
const HOST = fileURLToPath(new URL('old-host', import.meta.url));
const SCRIPT_TIMEOUT_MS = 180_000;

export type OldScript =
  | 'cold-backup.sh'
  | 'hot-backup.sh'
  | 'lvm-snapshot-backup.sh'
  | 'restore.sh'
  | 'pit-recovery.sh'
  | 'disaster-recovery.sh'
  | 'verify-backup.sh'
  | 'test-recovery.sh'
  | 'encryption-gpg.sh'
  | 'encryption-age.sh';

export type OldHost = {
  stack: DatabaseStack;
  /** What the scripts call /backup/rstmdb. */
  backupDir: string;
  /** The folder in which they run: where the encryption lines put their archives and key.txt. */
  workDir: string;
  /** Where `mktemp` makes folders. */
  tempDir: string;
  /** What the server writes to that `systemctl start` has started. */
  serverLog: string;
  /** Ends with whatever exit code the script has; output and exit code are to be asserted. Arguments are as the script sees them. */
  run: (script: OldScript, ...args: string[]) => Promise<ProgramEnd>;
  /** The same with a disk of so many kilobytes at /backup/rstmdb, which is gone afterwards. */
  runOnDisk: (script: OldScript, diskSizeKb: number) => Promise<ProgramEnd>;
  /** Any command on that host, such as a line of the crontab. */
  shell: (command: string) => Promise<ProgramEnd>;
};

/** Mounting needs root, and a machine that lets it. */
export function canRunOldScripts(): boolean {
  try {
    execFileSync('unshare', ['-m', 'mount', '-t', 'tmpfs', 'probe', '/mnt'], { stdio: 'ignore' });
    return process.getuid?.() === 0;
  } catch {
    return false;
  }
}

/** The host of the stack's server, as the guide has it. The stack's own service still finds that server, whoever started it. Removed with the stack. */
export async function makeOldHost(stack: DatabaseStack, own: { backupDir?: string } = {}): Promise<OldHost> {
  const folder = await mkdtemp(join(stack.folder, 'old-host-'));
  const places = {
    backupDir: own.backupDir ?? join(folder, 'archives'),
    workDir: join(folder, 'work'),
    tempDir: join(folder, 'tmp'),
    gnupg: join(folder, 'gnupg'),
    log: join(folder, 'server.log'),
  };
  for (const path of [places.backupDir, places.workDir, places.tempDir, places.gnupg]) await mkdir(path, { recursive: true, mode: 0o700 });
  await symlink(places.backupDir, join(folder, 'backup'));
  await symlink(stack.dataDir, join(folder, 'data'));
  await writeFile(places.log, '');
  await writeFile(join(folder, 'start'), startScript(stack), { mode: 0o755 });
  await writeFile(join(places.gnupg, 'passphrase'), 'a passphrase\n');
  await writeFile(join(places.gnupg, 'gpg.conf'), `batch\npinentry-mode loopback\npassphrase-file ${join(places.gnupg, 'passphrase')}\n`);
  const env = {
    PATH: `${join(HOST, 'bin')}:${process.env['PATH'] ?? ''}`,
    TMPDIR: places.tempDir,
    GNUPGHOME: places.gnupg,
    OLD_HOST: folder,
    OLD_HOST_ADDRESS: stack.address,
    OLD_HOST_CONTAINER_ADDRESS: `127.0.0.1:${await freePort()}`,
    OLD_HOST_OUTSIDE: String(process.pid),
    OLD_HOST_RSTMDB: realpathSync(toolPath('rstmdb')),
    OLD_HOST_RSTMDB_CLI: toolPath('rstmdb-cli'),
  };
  const enter = (...command: string[]): Promise<ProgramEnd> =>
    runProgram('unshare', ['-m', '--wd', places.workDir, join(HOST, 'enter.sh'), ...command], { env, timeoutMs: SCRIPT_TIMEOUT_MS });
  return {
    stack,
    backupDir: places.backupDir,
    workDir: places.workDir,
    tempDir: places.tempDir,
    serverLog: places.log,
    run: (script, ...args) => enter('bash', join(SCRIPTS, script), ...args),
    runOnDisk: (script, diskSizeKb) =>
      enter('sh', '-c', `mount -t tmpfs -o size=${diskSizeKb}k disk /backup/rstmdb && bash ${join(SCRIPTS, script)}`),
    shell: (command) => enter('sh', '-c', command),
  };
}

/** What ExecStart= of the unit is: the server with its settings, and none of the caller's. */
function startScript({ settings }: DatabaseStack): string {
  if (settings.service.kind !== 'process') throw new Error('the stack’s server is a process');
  const variables = Object.entries(settings.service.env).map(([name, value]) => `${name}='${value}'`);
  return `#!/bin/sh\nexec env -i NO_COLOR=1 ${variables.join(' ')} ${realpathSync(toolPath('rstmdb'))}\n`;
}

/**
 * An archive as one of the three scripts makes it of the running server, each with a layout of its own:
 * - `hot-backup.sh`: `20261129-031500/{snapshots,wal,backup.json}`. It has a COMPACT done first, so it is good only while the log has one
 *   segment. With more, it is hollow: the first segments are in no archive and not in place any more either. `backup.json` is never valid
 *   JSON. Takes 5 s.
 * - `cold-backup.sh`: `20261129-031500/{snapshots,wal}` of a stopped server; it is up again afterwards.
 * - `lvm-snapshot-backup.sh`: `./{wal,snapshots,lost+found,.rstow}`, without a leading folder, and with rstow's own folder if there is one.
 *
 * `host.run('encryption-gpg.sh')` and `host.run('encryption-age.sh')` leave `backup.tar.gz.gpg` (passphrase: `a passphrase`) and
 * `backup.tar.gz.age` (key: `key.txt`) in `host.workDir`, laid out as `var/lib/rstmdb/{wal,snapshots}`: their own decryption puts that below
 * the data directory, where no server looks.
 *
 * Gives the file's path, which the host's scripts understand, too, once the server answers.
 */
export async function makeOldArchive(host: OldHost, script: BackupScript): Promise<string> {
  const archive = await createdBy(host, script);
  await shownState(host.stack);
  return archive;
}

type BackupScript = 'hot-backup.sh' | 'cold-backup.sh' | 'lvm-snapshot-backup.sh';

/** What the script says that it created, whether or not a server has started after it. Fails where it says nothing of that. */
export async function createdBy(host: OldHost, script: BackupScript): Promise<string> {
  const { exitCode, stdout, stderr } = await host.run(script);
  const [, name] = /^Backup created: \/backup\/rstmdb\/(\S+)$/m.exec(stdout) ?? [];
  expect({ exitCode, isSaid: name !== undefined }, stdout + stderr).toEqual({ exitCode: 0, isSaid: true });
  return join(host.backupDir, name!);
}

/** restore.sh with the archive, by which all of the server's data are replaced. It says the same for every archive. Returns when the server answers. */
export async function restoreOldArchive(host: OldHost, archive: string): Promise<OldState> {
  const { exitCode, stdout } = await host.run('restore.sh', archive);
  expect({ exitCode, last: stdout.trimEnd().split('\n').at(-1) }).toEqual({ exitCode: 0, last: 'Recovery complete' });
  return shownState(host.stack);
}

export type OldState = { machines: number; instances: number; stateDigest: string };

/** What the stack's server shows, once it answers: a `systemctl start` returns before. */
export async function shownState({ settings, config }: DatabaseStack): Promise<OldState> {
  let shown: OldState | undefined;
  await waitUntil('the server answers', async () => {
    try {
      const { machines, instances, stateDigest } = await liveDigest(settings, config.timing, new AbortController().signal);
      shown = { machines, instances, stateDigest };
      return true;
    } catch {
      return false;
    }
  });
  return shown!;
}

/** What a full disk or a broken transfer leaves: a gzip file that ends early. */
export async function truncatedArchive(archive: string, keptShare = 0.5): Promise<string> {
  const path = archive.replace('.tar.gz', '-truncated.tar.gz');
  await copyFile(archive, path);
  await truncate(path, Math.floor((await stat(archive)).size * keptShare));
  return path;
}

/** A whole gzip file in which the newest segment lacks its last bytes, as where `cp` met a write: by default within the last record. */
export async function tornArchive(archive: string, cutBytes = 30): Promise<string> {
  const folder = await mkdtemp(`${archive}-torn-`);
  execFileSync('tar', ['-xzf', archive, '-C', folder]);
  const names = (await readdir(folder, { recursive: true })).filter((name) => name.endsWith('.wal')).sort();
  const newest = join(folder, names.at(-1)!);
  await truncate(newest, (await stat(newest)).size - cutBytes);
  const path = archive.replace('.tar.gz', '-torn.tar.gz');
  execFileSync('tar', ['-czf', path, '-C', folder, ...(await readdir(folder))]);
  return path;
}
