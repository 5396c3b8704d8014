import { commonFields, inputParser, nameField, optional, type Parsed } from './input-field.ts';
import type { CommonResult } from './result.ts';

const fields = {
  ...commonFields,
  /** The agent that does it: its config has the new keys and the old ones. The database’s owner where absent. */
  agent: optional(nameField),
};

/** Stores a database's objects anew under the keys that the repository's config names now, and deletes what lies under others. */
export type RotateKeysInput = Parsed<typeof fields>;

export const parseRotateKeysInput = inputParser('rotateKeys', fields);

/** Objects that lie under one set of keys, or under none. */
export type ObjectsUnderKeys = {
  /** As their names end: `.zst.1f00d5ee.age`, or `.zst` if they aren't encrypted. */
  suffix: string;
  objects: number;
};

export type RotateKeysResult = CommonResult & {
  repository: string;
  agent: string;
  /** How the names of objects end now. */
  suffix: string;
  /** Objects that were stored anew, read back and compared; the old ones are deleted. */
  rotated: number;
  /** Of the new ones. */
  bytesStored: number;
  /** Objects that could not be opened, or hold other bytes than they should: they stay. The first of them are warnings. */
  failed: number;
  /** What lies under other keys at the end. */
  left: ObjectsUnderKeys[];
  /** Key sets that nothing in the repository uses any more. */
  keySetsRemoved: string[];
  durationMs: number;
};
