import { realpath } from 'node:fs/promises';
import { basename, isAbsolute, join } from 'node:path';
import { processesWithOpenFilesUnder } from '../process/open-files.ts';
import { unlessGone, type ProcessEntry } from '../process/proc.ts';
import { programOf } from '../process/process-launch.ts';

type Server = { readonly command: readonly string[]; readonly dataDir: string };

/** Processes that run the command's own program and write the log of the directory. */
export async function foreignServers({ command, dataDir }: Server): Promise<ProcessEntry[]> {
  const writers = await processesWithOpenFilesUnder(join(dataDir, 'wal'), { ignorePid: process.pid, writersOnly: true });
  const runsIt = await Promise.all(writers.map(({ pid }) => isProgram(pid, command[0] ?? '')));
  return writers.filter((_writer, index) => runsIt[index]);
}

/** A bare name is found on a PATH that may be another one than the server's: the name has to do. */
async function isProgram(pid: number, file: string): Promise<boolean> {
  const program = await programOf(pid);
  if (program === undefined) return false;
  if (!isAbsolute(file)) return basename(program) === basename(file);
  return program === ((await unlessGone(realpath(file))) ?? file);
}
