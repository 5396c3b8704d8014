import { access, constants } from 'node:fs/promises';
import { isAbsolute, join, resolve } from 'node:path';
import { serverDropIn, unitWord } from '../core/text/server-drop-in.ts';
import type { UnitConfig, UnitFacts } from '../up/unit-facts.ts';

/** What rstow itself starts, and the server’s usual name. */
const OWN_PROGRAMS = ['node', 'temporal', 'rstmdb'];

/** A systemd unit that runs rstow with these arguments; `config` is what they choose, if there is one. */
export async function printUnit(args: readonly string[], config: UnitConfig | undefined, searchPath: string): Promise<void> {
  const [{ unitFacts }, { LAUNCHER }] = await Promise.all([import('../up/unit-facts.ts'), import('../up/found-service.ts')]);
  const facts = config === undefined ? undefined : await unitFacts(config);
  const path = await unitPath(searchPath, [...OWN_PROGRAMS, ...(facts?.programs ?? [])]);
  const configFile = config !== undefined && 'file' in config ? config.file : undefined;
  process.stdout.write(systemdUnit({ program: LAUNCHER, args, path, facts, configFile }));
}

export function configFileArgs(file: string | undefined): string[] {
  return file === undefined ? [] : ['--config', resolve(file)];
}

/** What systemd is to run, by an absolute path, and its PATH. */
export type UnitOptions = {
  program: string;
  args: readonly string[];
  path: string;
  /** Undefined while there is no config that can be read. */
  facts: UnitFacts | undefined;
  /** Undefined if it is found by itself. */
  configFile: string | undefined;
};

/** systemd makes it and gives it to the unit's user. */
const SYSTEM_STATE_DIR = '/var/lib/rstow';

/** What the agent does as root beyond its own user's rights: read and give away files, stop servers and see who holds files, start them as their user. */
const ROOT_CAPABILITIES = 'CAP_CHOWN CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH CAP_FOWNER CAP_KILL CAP_SETGID CAP_SETUID CAP_SYS_PTRACE';

/** LVM asks for them: device-mapper, mounts, memory that it must not wait for, and device nodes where there is no udev. */
const VOLUME_CAPABILITIES = 'CAP_SYS_ADMIN CAP_IPC_LOCK CAP_MKNOD';

/** What takes nothing away that an agent needs, whatever it does. */
const RESTRICTIONS = `RestrictSUIDSGID=yes
RestrictRealtime=yes
RestrictNamespaces=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
LockPersonality=yes
KeyringMode=private
SystemCallArchitectures=native`;

/** `Protect…` gives a unit mounts of its own: what it mounts there would outlive it in whatever it has started, out of its reach. */
const VOLUME_HARDENING = `# Without Protect… lines: they would keep the volumes' devices away, and a snapshot's mount would stay with programs that
# outlive rstow.
NoNewPrivileges=yes
${RESTRICTIONS}`;

const HARDENING = `# What is left out would break something: ReadWritePaths and ProtectSystem=strict make mounts, over which no hard link
# goes; PrivateTmp hides /var/tmp, a restore root; ProtectProc and PrivatePIDs hide who holds files; PrivateNetwork splits
# the mutex; JavaScript writes its code.
NoNewPrivileges=yes
ProtectSystem=full
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
ProtectClock=yes
ProtectHostname=yes
${RESTRICTIONS}
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM`;

/** The text of a unit that runs `rstow up` or `rstow agent`. */
export function systemdUnit(options: UnitOptions): string {
  const { program, args, path, facts } = options;
  return `# Save as /etc/systemd/system/rstow.service; then: systemctl daemon-reload && systemctl enable --now rstow
[Unit]
Description=rstow: backup and recovery of rstmdb
Wants=network-online.target
After=network-online.target local-fs.target remote-fs.target
${mountLines(facts)}StartLimitIntervalSec=0

[Service]
${readinessLines(args)}
${userLines(facts)}
ExecStart=${[program, ...args].map((word) => unitWord(word).replaceAll('$', '$$$$')).join(' ')}
Environment=${unitWord(`PATH=${path}`)}
Restart=always
RestartSec=2
TimeoutStopSec=90
# Only rstow itself is stopped: the database, Temporal and the watchdog of a restore must outlive a crash of it.
KillMode=process
OOMPolicy=continue
${stateLines(facts)}UMask=0027
LimitNOFILE=65536
${weightLines(facts)}
${facts?.hasVolumes === true ? VOLUME_HARDENING : HARDENING}

[Install]
WantedBy=multi-user.target
${(facts?.servers ?? []).map((server) => dropIn(server, options)).join('')}`;
}

function dropIn({ unit, database }: UnitFacts['servers'][number], { program, facts, configFile }: UnitOptions): string {
  const [path, ...lines] = serverDropIn({ unit, database, program, configFile, asRoot: facts?.user === undefined });
  return `
# Each start of ${unit} has its whole log, also right after a compaction, and each stop of it is clean, by these lines in
# ${path}:
${lines.map((line) => `#   ${line}\n`).join('')}`;
}

/** A repository that can't be mounted must not keep the agent from its servers: only what they need is waited for. */
function mountLines(facts: UnitFacts | undefined): string {
  if (facts === undefined) return '';
  return `RequiresMountsFor=${[...facts.dataDirs, facts.stateDir].map(unitWord).join(' ')}\n`;
}

/** `up` says when it serves. An agent may wait for its Temporal cluster for hours, and a boot must not wait with it. */
function readinessLines([command]: readonly string[]): string {
  return command === 'up' ? 'Type=notify\nNotifyAccess=all\nTimeoutStartSec=5min' : 'Type=exec';
}

function userLines(facts: UnitFacts | undefined): string {
  const notes = (facts?.notes ?? ['Run it as the user that owns the data directory and runs the server: User=rstmdb']).map(
    (note) => `# ${note}`,
  );
  const asRoot = facts?.hasVolumes === true ? `${ROOT_CAPABILITIES} ${VOLUME_CAPABILITIES}` : ROOT_CAPABILITIES;
  const rights = facts?.user === undefined ? [`CapabilityBoundingSet=${asRoot}`] : [`User=${facts.user}`, 'CapabilityBoundingSet='];
  return [...notes, ...rights].join('\n');
}

function stateLines(facts: UnitFacts | undefined): string {
  return facts === undefined || facts.stateDir === SYSTEM_STATE_DIR ? 'StateDirectory=rstow\nStateDirectoryMode=0700\n' : '';
}

/** Backups give way to the server, unless the server itself lives in this unit. */
function weightLines(facts: UnitFacts | undefined): string {
  return facts?.hasServers === false ? 'CPUWeight=50\nIOWeight=50\n' : '';
}

const SYSTEM_FOLDERS = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];

/**
 * The PATH of a unit: the system's folders, and before them those in which whoever prints it has one of these programs. The rest
 * of a person's PATH, such as folders of a home, is nothing that a service should start programs from.
 */
export async function unitPath(searchPath: string, programs: readonly string[]): Promise<string> {
  const folders = searchPath.split(':').filter((folder) => isAbsolute(folder));
  const found = new Set(await Promise.all(programs.map((program) => folderOf(program, folders))));
  const added = [...new Set(folders)].filter((folder) => found.has(folder) && !SYSTEM_FOLDERS.includes(folder));
  return [...added, ...SYSTEM_FOLDERS].join(':');
}

async function folderOf(program: string, folders: readonly string[]): Promise<string | undefined> {
  for (const folder of folders) {
    const isThere = await access(join(folder, program), constants.X_OK).then(
      () => true,
      () => false,
    );
    if (isThere) return folder;
  }
  return undefined;
}
