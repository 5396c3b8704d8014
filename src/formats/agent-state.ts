import { z } from 'zod';
import { makeSegmentId, type SegmentId } from '../core/wal/wal-offset.ts';

const count = z.int().min(0);
const hash = z.string().regex(/^[0-9a-f]{64}$/);
const segment = z.custom<SegmentId>((value) => typeof value === 'number' && makeSegmentId(value) !== undefined);

/** One sorted file of instances: its blocks of lines, and behind them the index that says where each block begins. */
const run = z.strictObject({
  name: z.string().regex(/^[0-9a-f-]{36}$/),
  instances: count,
  indexAtBytes: count,
  indexBytes: count,
  /** Of the index. */
  crc32: count,
});

/** `digest/checkpoint.json`: how far a database's state digest is, and which files hold the instances. */
export const digestCheckpointSchema = z.strictObject({
  format: z.literal(3),
  /** Another history or another wal/ folder makes it worthless. */
  timeline: z.string(),
  walInode: z.string(),
  extents: z.array(z.strictObject({ segment, endBytes: count })),
  digest: hash,
  instances: count,
  deleted: count,
  machines: z.array(z.strictObject({ name: z.string(), version: count, hash })),
  /** The oldest first: an instance is as the newest one says that has it. */
  runs: z.array(run),
});

export type DigestCheckpoint = z.infer<typeof digestCheckpointSchema>;
export type RunFile = DigestCheckpoint['runs'][number];

/** The newest backup that was seen in a repository. Times are Unix ms, by the clock of who wrote it. */
export const seenBackupSchema = z.strictObject({ label: z.string(), writtenAtMs: z.int() });

export type SeenBackup = z.infer<typeof seenBackupSchema>;

/** A signature that an agent has taken for a run, kept in its state directory: only these let a run replace data. */
export const grantSchema = z.strictObject({
  format: z.literal(1),
  workflowId: z.string(),
  operator: z.string(),
  /** The one plan that it is for; absent where it is for the whole run, as the signature of a start is. */
  planHash: z.string().optional(),
  nonce: z.string(),
  grantedAtMs: z.int(),
});

export type Grant = z.infer<typeof grantSchema>;

/** `installation-binding.json`: the one machine and the one state directory that an installation id belongs to. */
export const bindingSchema = z.object({
  format: z.literal(1),
  machineId: z.string().optional(),
  productId: z.string().optional(),
  bootId: z.string().optional(),
  /** Device numbers last as long as a boot; inodes as long as the file system. */
  device: z.string(),
  inode: z.string().optional(),
});

export type Binding = z.infer<typeof bindingSchema>;

/** `<database>/source/<repository>.json`: which files the log was that this host has stored there last. */
export const sourceNoteSchema = z.strictObject({
  format: z.literal(1),
  timeline: z.string(),
  /** Of the boot of the host in which they were stored: until its end a file keeps what was written to it. */
  bootId: z.string(),
  /** Tells wal/ from a copy of it. */
  wal: z.string(),
  /** Inodes. */
  files: z.array(z.strictObject({ segment, inode: z.string() })),
  /** What the archive has lost for good, and has said so. */
  holes: z.array(z.string()),
});

export type SourceNote = z.infer<typeof sourceNoteSchema>;

/** What `rstow up` remembers of the Temporal server that it runs. */
export const embeddedTemporalStateSchema = z.strictObject({
  /** Of the Temporal CLI that last opened the database file, written before it did. */
  cliVersion: z.string().regex(/^[0-9]+\.[0-9]+\.[0-9]+$/),
  /** Where the server was last started. */
  port: z.int(),
  uiPort: z.int(),
  /** Absent until it has answered once. */
  clusterId: z.string().min(1).optional(),
});

export type EmbeddedTemporalState = z.infer<typeof embeddedTemporalStateSchema>;
