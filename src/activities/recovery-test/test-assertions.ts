import type { Assertions, CountAssertion, InstanceAssertion } from '../../contract/test-recovery.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { sameValue, valueAtPath } from '../../core/json/json-value.ts';
import { type Connector, getInstance, instancePages } from '../../io/rstmdb/instances.ts';
import type { RstmdbClient } from '../../io/rstmdb/rstmdb-client.ts';

/** Holds what the operator knows against the recovered server; gives how many held. Fails: assertion-failed, naming the first. */
export async function checkAssertions(connect: Connector, assertions: Assertions): Promise<number> {
  const { counts = [], instances = [] } = assertions ?? {};
  const found = counts.length === 0 ? new Map<string, number>() : await countByState(connect);
  for (const assertion of counts) checkCount(assertion, found);
  const client = await connect();
  try {
    for (const assertion of instances) await checkInstance(client, assertion);
  } finally {
    await client.close();
  }
  return counts.length + instances.length;
}

async function countByState(connect: Connector): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  const add = (key: string): void => void counts.set(key, (counts.get(key) ?? 0) + 1);
  for await (const { instances } of instancePages(connect)) {
    for (const { machine, state } of instances) {
      add(machine);
      add(stateKey(machine, state));
    }
  }
  return counts;
}

function checkCount({ machine, state, min, max }: CountAssertion, counts: ReadonlyMap<string, number>): void {
  const found = counts.get(state === undefined ? machine : stateKey(machine, state)) ?? 0;
  if (found >= (min ?? 0) && found <= (max ?? Number.POSITIVE_INFINITY)) return;
  const which = state === undefined ? `machine "${machine}"` : `machine "${machine}" in state "${state}"`;
  throw failed(`there are ${found} instances of ${which}, not ${min ?? 0} to ${max ?? 'any number'}`);
}

async function checkInstance(client: RstmdbClient, assertion: InstanceAssertion): Promise<void> {
  const { id, state, path, equals } = assertion;
  const instance = await getInstance(client, id);
  if (instance === undefined) throw failed(`there is no instance "${id}"`);
  if (state !== undefined && instance.state !== state) throw failed(`instance "${id}" is in state "${instance.state}", not "${state}"`);
  if (path === undefined) return;
  const value = valueAtPath(instance.ctxText, path);
  if (value !== undefined && (equals === undefined || sameValue(value, equals))) return;
  const [found, wanted] = [value?.slice(0, 100) ?? 'nothing', equals === undefined ? 'a value' : JSON.stringify(equals)];
  throw failed(`instance "${id}" has ${found} at ${path}, not ${wanted}`);
}

function stateKey(machine: string, state: string): string {
  return JSON.stringify([machine, state]);
}

function failed(sentence: string): RstowError {
  return new RstowError('assertion-failed', sentence);
}
