import { recordTypes } from '../../src/core/wal/record.ts';
import { definitionHash } from './machine-definition.ts';
import type { Operation } from './operation.ts';
import { ORDER_MACHINE } from './orders.ts';
import { memberTexts, objectText, serverJson } from './server-json.ts';

export type InstanceState = {
  machine: string;
  version: number;
  state: string;
  /** The context's members, as texts. */ ctx: Map<string, string>;
};

/** The payload of the record that the server writes for an operation, and its header's type. */
export type Payload = { type: number; text: string };

type ServerState = {
  instances: ReadonlyMap<string, InstanceState>;
  /** Does what the operation says, and gives what the log gets. */
  payloadOf(operation: Operation): Payload;
};

/** As much of the server as the log shows. @see rstmdb-core 0.3.0 src/engine.rs, rstmdb-wal 0.3.0 src/entry.rs WalEntry */
export function createServerState(): ServerState {
  const instances = new Map<string, InstanceState>();
  return {
    instances,
    payloadOf(operation) {
      switch (operation.kind) {
        case 'putMachine': {
          const definition = serverJson(operation.definition);
          const name = `"machine":${JSON.stringify(operation.machine)},"version":${operation.version}`;
          const hash = definitionHash(operation.definition);
          return {
            type: recordTypes.putMachine,
            text: `{"type":"put_machine",${name},"definition_hash":"${hash}","definition":${definition}}`,
          };
        }
        case 'createInstance':
          return create(instances, operation);
        case 'applyEvent':
          return apply(instances, operation);
        case 'deleteInstance':
          instances.delete(operation.id);
          return { type: recordTypes.deleteInstance, text: `{"type":"delete_instance","instance_id":${JSON.stringify(operation.id)}}` };
      }
    },
  };
}

function create(instances: Map<string, InstanceState>, operation: Operation & { kind: 'createInstance' }): Payload {
  const { id, machine, version, ctx } = operation;
  const state = ORDER_MACHINE.definition.initial;
  const members = memberTexts(ctx);
  instances.set(id, { machine, version, state, ctx: members });
  const name = `"instance_id":${JSON.stringify(id)},"machine":${JSON.stringify(machine)},"version":${version}`;
  return {
    type: recordTypes.createInstance,
    text: `{"type":"create_instance",${name},"initial_state":"${state}","initial_ctx":${objectText(members)}}`,
  };
}

function apply(instances: Map<string, InstanceState>, operation: Operation & { kind: 'applyEvent' }): Payload {
  const { id, event, payload } = operation;
  const instance = instances.get(id) as InstanceState;
  const from = instance.state;
  instance.state = ORDER_MACHINE.definition.transitions.find((transition) => transition.event === event)?.to as string;
  const added = memberTexts(payload);
  for (const [key, text] of added) instance.ctx.set(key, text);
  const head = `"instance_id":${JSON.stringify(id)},"event":"${event}","from_state":"${from}","to_state":"${instance.state}"`;
  return {
    type: recordTypes.applyEvent,
    text: `{"type":"apply_event",${head},"payload":${objectText(added)},"ctx":${objectText(instance.ctx)}}`,
  };
}
