import { recordTypes } from '../wal/record.ts';
import type { InstanceState, MachineState } from './state-digest.ts';

/** A record that a baseline consists of: replayed on an empty server it makes a machine, or an instance as it was. */
export type BaselineRecord = { type: number; payloadText: string };

/**
 * The record that gives a server the machine. `definitionHash` is only there because the server wants one: at its start it makes its own.
 * @see rstmdb-wal 0.3.0 src/entry.rs
 */
export function machineRecord({ name, version, definition }: MachineState, definitionHash: string): BaselineRecord {
  const members = [
    '"type":"put_machine"',
    `"machine":${JSON.stringify(name)}`,
    `"version":${version}`,
    `"definition_hash":${JSON.stringify(definitionHash)}`,
    `"definition":${definition}`,
  ];
  return { type: recordTypes.putMachine, payloadText: `{${members.join(',')}}` };
}

/** The record that gives a server the instance with its present state and context: their texts stand in it as they were written. */
export function instanceRecord({ id, machine, version, state, ctx }: InstanceState): BaselineRecord {
  const members = [
    '"type":"create_instance"',
    `"instance_id":${JSON.stringify(id)}`,
    `"machine":${JSON.stringify(machine)}`,
    `"version":${version}`,
    `"initial_state":${JSON.stringify(state)}`,
    `"initial_ctx":${ctx}`,
  ];
  return { type: recordTypes.createInstance, payloadText: `{${members.join(',')}}` };
}

/** Changes nothing: a segment has at least one record. */
export function emptyRecord(): BaselineRecord {
  return { type: recordTypes.checkpoint, payloadText: '{"type":"checkpoint","timestamp":0}' };
}
