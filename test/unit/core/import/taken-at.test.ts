import { expect, it } from 'vitest';
import { takenAt } from '../../../../src/core/import/taken-at.ts';

const nowMs = Date.UTC(2026, 10, 30);
const newestMs = Date.UTC(2026, 10, 29, 2);
const at = { folder: '', fileName: 'backup.tar.gz', newestMs, nowMs };
const local = (...parts: [number, number, number, number, number, number]): number => new Date(...parts).getTime();

it('believes backup.json first, though the guide’s script writes no JSON', () => {
  const about = '{\n  "timestamp": "2026-11-29T03:00:05+01:00",\n  "wal_offset": ,\n  "type": "hot"\n}\n';
  const taken = takenAt({ ...at, about, folder: '20261128-030000', fileName: 'rstmdb-20261127-030000.tar.gz' });
  expect(taken).toEqual({ atMs: Date.UTC(2026, 10, 29, 2, 0, 5), from: 'backup.json' });
});

it('then takes the folder’s name, then the file’s, in the time of the host, then the newest file', () => {
  const fileName = 'rstmdb-20261127-031500.tar.gz';
  expect(takenAt({ ...at, folder: 'x/20261128-030000', fileName })).toEqual({ atMs: local(2026, 10, 28, 3, 0, 0), from: 'folder-name' });
  expect(takenAt({ ...at, fileName })).toEqual({ atMs: local(2026, 10, 27, 3, 15, 0), from: 'file-name' });
  expect(takenAt(at)).toEqual({ atMs: newestMs, from: 'newest-file' });
});

it.each(['"timestamp": "soon-enough"', '"timestamp": "2099-01-01T00:00:00Z"', '"timestamp": "1970-01-01T00:00:00Z"'])(
  'passes over a time that can’t be: %s',
  (about) => {
    expect(takenAt({ ...at, about, folder: '20261328-030000', fileName: '20991128-030000.tar' })).toEqual({
      atMs: newestMs,
      from: 'newest-file',
    });
  },
);
