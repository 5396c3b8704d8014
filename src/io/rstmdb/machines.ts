import { objectText, rawMember, rawMembers, unexpectedMember } from './answer.ts';
import type { RstmdbClient } from './rstmdb-client.ts';

export type MachineName = { machine: string; version: number };

/** `definitionText` is raw JSON: what was put, or from the server its normalised form. */
export type Machine = MachineName & { definitionText: string };

/** Every version of every machine. */
export async function listMachines(client: RstmdbClient): Promise<MachineName[]> {
  const items: unknown = JSON.parse(rawMember(rawMembers(await client.request('LIST_MACHINES')), 'items'));
  if (!Array.isArray(items)) throw unexpectedMember('items');
  return items.flatMap(namesOf);
}

export async function getMachine(client: RstmdbClient, name: MachineName): Promise<Machine> {
  const params = objectText({ machine: JSON.stringify(name.machine), version: String(name.version) });
  const members = rawMembers(await client.request('GET_MACHINE', params));
  return { ...name, definitionText: rawMember(members, 'definition') };
}

/** Twice: the same definition again changes nothing; another one fails with MACHINE_VERSION_EXISTS. */
export async function putMachine(client: RstmdbClient, { machine, version, definitionText }: Machine): Promise<void> {
  await client.request(
    'PUT_MACHINE',
    objectText({ machine: JSON.stringify(machine), version: String(version), definition: definitionText }),
  );
}

function namesOf(item: { machine?: unknown; versions?: unknown }): MachineName[] {
  const { machine, versions } = item;
  if (typeof machine !== 'string' || !Array.isArray(versions)) throw unexpectedMember('items');
  return versions.map((version: unknown) => {
    if (typeof version !== 'number') throw unexpectedMember('versions');
    return { machine, version };
  });
}
