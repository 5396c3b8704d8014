import type { Manifest } from '../../../src/formats/repository/manifest.ts';
import { makeSegmentId } from '../../../src/core/wal/wal-offset.ts';

/** A manifest as a backup would write it. */
export const manifest: Manifest = {
  format: 1,
  label: '20261124T101500Z-hot',
  kind: 'hot',
  database: 'orders',
  timeline: '0001',
  runId: 'run',
  workflowId: 'rstow/orders/hotBackup/1',
  createdAtMs: 1_795_515_300_000,
  writtenAtMs: 1_795_515_360_000,
  serverVersion: '0.3.0',
  ownership: { uid: 0, gid: 0, folderMode: 0o755, fileMode: 0o644 },
  segments: [
    {
      segment: makeSegmentId(0x1f)!,
      ranges: [{ timeline: '0001', startBytes: 0, endBytes: 500, sha256: 'ab'.repeat(32), records: 19 }],
    },
  ],
  records: 19,
  machines: 1,
  instances: 2,
  stateDigest: 'cd'.repeat(32),
  bytesStored: 100,
  restorable: 'from-log',
  comparison: {
    kind: 'instances',
    shown: 2,
    lacking: { count: 0, first: [] },
    outdated: { count: 0, first: [] },
    unshown: { count: 0, first: [] },
  },
  pin: 'links',
  attachments: [{ name: 'machines.json', sizeBytes: 100, sha256: 'ef'.repeat(32) }],
  warnings: [],
};
