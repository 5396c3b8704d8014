import { crc32c } from '../../src/io/checksum/checksum.ts';

export type MachineDefinition = { initial: string; states: string[]; transitions: { event: string; from: string; to: string }[] };

/** The server's checksum: over its own order of members, with `from` as a list. @see rstmdb-core 0.3.0 src/definition.rs from_raw */
export function definitionHash({ states, initial, transitions }: MachineDefinition): string {
  const normalised = { states, initial, transitions: transitions.map(({ from, event, to }) => ({ from: [from], event, to })) };
  return crc32c(Buffer.from(JSON.stringify(normalised)))
    .toString(16)
    .padStart(8, '0');
}
