import { expect, it } from 'vitest';
import { describeRecord, entryText, type LogRecord } from '../../../../src/core/recovery/log-record.ts';
import { goldenSegment } from '../../../fixtures/wal/golden.ts';
import { modelLog, type WrittenEntry } from '../../../fixtures/wal/model-log.ts';
import { scanAll } from '../../../fixtures/wal/scan-all.ts';
import type { SegmentId } from '../../../../src/core/wal/wal-offset.ts';

function described(...entries: WrittenEntry[]): Omit<LogRecord, 'offset' | 'end' | 'sequence'>[] {
  return modelLog(entries).map(({ segment, record }) => {
    const { offset: _offset, end: _end, sequence: _sequence, ...deed } = describeRecord(segment, record);
    return deed;
  });
}

it('says of each kind of record what it did to what, and nothing of the data', () => {
  const created = {
    type: 'create_instance',
    instance_id: 'i-1',
    machine: 'order',
    version: 2,
    initial_state: 'new',
    initial_ctx: { secret: 1 },
  } as const;
  const applied = {
    type: 'apply_event',
    instance_id: 'i-1',
    event: 'PAY',
    from_state: 'new',
    to_state: 'paid',
    payload: { secret: 2 },
  } as const;
  expect(
    described(
      { type: 'put_machine', machine: 'order', version: 2, definition: { states: [] } },
      created,
      applied,
      { type: 'delete_instance', instance_id: 'i-1' },
      { type: 'checkpoint', timestamp: 7 },
    ),
  ).toEqual([
    { type: 'put_machine', machine: 'order', version: 2 },
    { type: 'create_instance', instance: 'i-1', machine: 'order', version: 2, toState: 'new' },
    { type: 'apply_event', instance: 'i-1', event: 'PAY', fromState: 'new', toState: 'paid' },
    { type: 'delete_instance', instance: 'i-1' },
    { type: 'checkpoint' },
  ]);
});

it('says where it begins and ends in the log, in decimal', () => {
  const [, second] = modelLog([{ type: 'checkpoint' }, { type: 'checkpoint' }]);
  const { startBytes, endBytes } = second!.record;
  expect(describeRecord(8192 as SegmentId, second!.record)).toEqual({
    offset: (8192n * 2n ** 40n + BigInt(startBytes)).toString(),
    end: (8192n * 2n ** 40n + BigInt(endBytes)).toString(),
    sequence: 11,
    type: 'checkpoint',
  });
});

it.each([
  ['no JSON at all', 'WLOG'],
  ['an object that breaks off', '{"type":"apply_event","instance_id":"i-1","event":"PA'],
  ['an entry with something behind it', '{"type":"delete_instance","instance_id":"i-1"}x'],
  ['a type that there is not', '{"type":"rename_instance","instance_id":"i-1"}'],
  ['a list', '[1]'],
  ['nothing', ''],
])('calls %s unreadable, and fails on none', (_what, text) => {
  expect(described(text)).toEqual([{ type: 'unreadable' }]);
});

it('calls an entry that is no UTF-8 unreadable', () => {
  const payload = Uint8Array.of(...Buffer.from('{"type":"delete_instance","instance_id":"i-1","x":"'), 0xff, ...Buffer.from('"}'));
  expect(describeRecord(1 as SegmentId, { sequence: 1, startBytes: 0, endBytes: 99, payload }).type).toBe('unreadable');
  expect(entryText(payload)).toBeUndefined();
});

it('leaves out an event or state that is no text', () => {
  const odd = { type: 'apply_event', instance_id: 'i-1', event: 7, to_state: null } as const;
  expect(described(odd)).toEqual([{ type: 'apply_event', instance: 'i-1' }]);
});

it('keeps the text of an entry as it was written, digits and escapes and all', () => {
  const text = '{"type":"apply_event","instance_id":"i-1","ctx":{"big":12345678901234567890.10,"é":"\\u00e9"}}';
  expect(entryText(new TextEncoder().encode(text))).toBe(text);
});

it('reads all that a real server has written', () => {
  const { records } = scanAll([goldenSegment()]);
  const types = records.map((record) => describeRecord(1 as SegmentId, record).type);
  expect(types.length).toBeGreaterThan(10);
  expect(types).not.toContain('unreadable');
});
