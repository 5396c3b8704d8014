/**
 * Whether the database server compacts its log by itself, and how that is known. rstmdb 0.3.0 does so unless it is
 * told otherwise, and its compaction deletes log that its own next start needs.
 */
export type Compaction = {
  isOn: boolean;
  source:
    | { kind: 'environment'; pid: number; value: string }
    | { kind: 'file'; file: string }
    /** Nothing that the running server was given says anything. `file`: its config file, if it has one. */
    | { kind: 'default'; file?: string }
    /** The file was changed after the server had started, so what the server read is unknown. */
    | { kind: 'changed-file'; file: string; saysOn: boolean }
    /** The server doesn't run where it can be seen, and this is what rstow starts it with. */
    | { kind: 'service'; value: string }
    /** The server's process can't be looked at, and none of `server.configFiles` says anything. */
    | { kind: 'unseen' };
};

/** Where the setting comes from, as the second half of a sentence. */
export function compactionSource({ source }: Compaction): string {
  switch (source.kind) {
    case 'environment':
      return `RSTMDB_COMPACT_ENABLED=${source.value} in the environment of process ${source.pid}`;
    case 'service':
      return `RSTMDB_COMPACT_ENABLED=${source.value} in the \`service.env\` that rstow starts it with`;
    case 'file':
      return `compaction.enabled in ${source.file}`;
    case 'default':
      return source.file === undefined ? 'the server’s default' : `the server’s default, which ${source.file} leaves as it is`;
    case 'changed-file':
      return `${source.file} was changed after the server had started`;
    case 'unseen':
      return 'the server’s default: its own settings can’t be seen from here';
  }
}

/** What an operator does to turn it off. */
export function compactionRemedy({ source }: Compaction): string {
  switch (source.kind) {
    case 'environment':
      return STARTED_WITHOUT;
    case 'service':
      return 'write RSTMDB_COMPACT_ENABLED: "false" in `service.env` of rstow’s config file';
    case 'file':
      return turnedOffIn(source.file);
    case 'default':
      return source.file === undefined ? STARTED_WITHOUT : turnedOffIn(source.file);
    case 'changed-file':
      return source.saysOn ? turnedOffIn(source.file) : `restart the server, so that it reads ${source.file} again`;
    case 'unseen':
      return `${STARTED_WITHOUT}, or name its config file under server.configFiles`;
  }
}

const STARTED_WITHOUT = 'start the server with RSTMDB_COMPACT_ENABLED=false';

function turnedOffIn(file: string): string {
  return `write \`compaction: {enabled: false}\` in ${file} and restart the server`;
}

/** For whoever may lose log: what will happen, how it is known, and what to do. */
export function compactionSentence(database: string, compaction: Compaction): string {
  const loss = `automatic compaction is on for database "${database}", and it deletes log that the server’s next start needs`;
  return `${loss} (${compactionSource(compaction)}); to turn it off, ${compactionRemedy(compaction)}`;
}
