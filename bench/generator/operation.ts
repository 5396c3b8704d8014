import type { MachineDefinition } from './machine-definition.ts';

/** What a client asks of the server, in the order in which the log gets it. */
export type Operation =
  | { kind: 'putMachine'; machine: string; version: number; definition: MachineDefinition }
  | { kind: 'createInstance'; id: string; machine: string; version: number; ctx: Context }
  | { kind: 'applyEvent'; id: string; event: string; payload: Context }
  | { kind: 'deleteInstance'; id: string };

export type Context = Record<string, unknown>;
