import { expect, test } from 'vitest';
import { createInstanceFates } from '../../../../src/core/state/instance-fate.ts';

const record = (type: string, id: string): Uint8Array =>
  Buffer.from(JSON.stringify({ type, instance_id: id, machine: 'order', version: 1, initial_state: 'a', initial_ctx: {} }));

/** Of one instance whose records these are. */
function fateOf(...types: string[]): { fate: string | undefined; reborn: string[] } {
  const fates = createInstanceFates();
  for (const type of types) fates.see(record(type, 'x'));
  return { fate: fates.of('x'), reborn: fates.takeReborn() };
}

test('an instance is what its first creation or deletion says, whatever comes before and behind', () => {
  expect(fateOf('create_instance', 'apply_event', 'delete_instance').fate).toBe('born');
  expect(fateOf('apply_event', 'create_instance').fate).toBe('born');
  expect(fateOf('apply_event', 'delete_instance', 'create_instance').fate).toBe('ended');
  expect(fateOf('apply_event', 'apply_event').fate).toBe('changed');
  expect(fateOf().fate).toBe(undefined);
});

test('one that is created though it had events before was forgotten in between, and is told once', () => {
  expect(fateOf('apply_event', 'create_instance').reborn).toEqual(['x']);
  expect(fateOf('create_instance').reborn).toEqual([]);
  expect(fateOf('delete_instance', 'create_instance').reborn).toEqual([]);
  const fates = createInstanceFates();
  for (const type of ['apply_event', 'create_instance']) fates.see(record(type, 'x'));
  expect([fates.takeReborn(), fates.takeReborn()]).toEqual([['x'], []]);
});

test('what is no record of an instance says nothing', () => {
  const fates = createInstanceFates();
  fates.see(Buffer.from('{"type":"put_machine","machine":"x","version":1,"definition":{}}'));
  fates.see(Buffer.from('no json'));
  expect(fates.of('x')).toBe(undefined);
});
