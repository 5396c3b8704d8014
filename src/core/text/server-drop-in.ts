type ServerDropIn = {
  unit: string;
  database: string;
  /** By its absolute path. */
  program: string;
  /** Undefined if it is found by itself. */
  configFile: string | undefined;
  /** Whether the agent is root: then what it keeps beside the log is its own. */
  asRoot: boolean;
};

/**
 * What a server's own unit lacks: whoever starts it, it starts from its whole log and on no data that are being replaced; whoever
 * stops it, it ends cleanly. The first line names the file, the others are to be in it.
 */
export function serverDropIn({ unit, database, program, configFile, asRoot }: ServerDropIn): [path: string, ...lines: string[]] {
  const command = [program, 'guard', '--before-start', database, ...(configFile === undefined ? [] : ['--config', configFile])];
  const start = `ExecStartPre=${asRoot ? '+' : ''}${command.map(unitWord).join(' ')}`;
  return [`/etc/systemd/system/${unit}.d/rstow.conf`, '[Service]', 'KillSignal=SIGINT', start];
}

/** As systemd reads a word; in a command line it replaces variables as well. */
export function unitWord(text: string): string {
  const escaped = text.replaceAll('%', '%%').replaceAll('\\', '\\\\').replaceAll('"', '\\"');
  return /^[A-Za-z0-9_./:@%+=-]+$/.test(text) ? escaped : `"${escaped}"`;
}
