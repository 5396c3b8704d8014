/** What systemd is to run, by an absolute path, and the PATH on which `temporal` and the server's program are. */
export type UnitOptions = { program: string; args: readonly string[]; path: string };

const HARDENING = `# What is left out would break something: ReadWritePaths and ProtectSystem=strict make mounts, over which no hard link
# goes; ProtectProc and PrivatePIDs hide who holds files; PrivateNetwork splits the mutex; JavaScript writes its code.
NoNewPrivileges=yes
ProtectSystem=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
ProtectClock=yes
ProtectHostname=yes
RestrictSUIDSGID=yes
RestrictRealtime=yes
RestrictNamespaces=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
LockPersonality=yes
SystemCallArchitectures=native`;

/** The text of a unit that runs `rstow up`. */
export function systemdUnit({ program, args, path }: UnitOptions): string {
  return `# Save as /etc/systemd/system/rstow.service; then: systemctl daemon-reload && systemctl enable --now rstow
[Unit]
Description=rstow: backup and recovery of rstmdb
Wants=network-online.target
After=network-online.target local-fs.target remote-fs.target
StartLimitIntervalSec=0

[Service]
Type=simple
# Run it as the user that owns the data directory and runs the server; root can do everything as well.
#User=rstmdb
ExecStart=${[program, ...args].map((word) => quoted(word).replaceAll('$', '$$$$')).join(' ')}
Environment=${quoted(`PATH=${[...new Set(path.split(':'))].join(':')}`)}
Restart=always
RestartSec=2
TimeoutStopSec=90
# Only rstow itself is stopped: the database, Temporal and the watchdog of a restore must outlive a crash of it.
KillMode=process
StateDirectory=rstow
StateDirectoryMode=0700
LimitNOFILE=65536

${HARDENING}

[Install]
WantedBy=multi-user.target
`;
}

/** As systemd reads a word; in a command line it replaces variables as well. */
function quoted(text: string): string {
  const escaped = text.replaceAll('%', '%%').replaceAll('\\', '\\\\').replaceAll('"', '\\"');
  return /^[A-Za-z0-9_./:@%+=-]+$/.test(text) ? escaped : `"${escaped}"`;
}
