/** Tar archives made by hand, header by header, as no tar would make them. */
import { Header } from 'tar';

export type MadeEntry = {
  path: string;
  /** As `tar` calls it; a file if absent. */
  type?: string;
  content?: Uint8Array | string;
  linkpath?: string;
  /** What its header claims; its content's length if absent. */
  claimedBytes?: number;
  /** In place of its type: a letter that no tar here would write. */
  typeCode?: string;
  mtimeMs?: number;
};

const BLOCK_BYTES = 512;

export function tarBytes(entries: readonly MadeEntry[], { isEnded = true } = {}): Buffer {
  const blocks = entries.flatMap((entry) => blocksOf(entry));
  return Buffer.concat(isEnded ? [...blocks, Buffer.alloc(2 * BLOCK_BYTES)] : blocks);
}

function blocksOf({ path, type = 'File', content = '', linkpath, claimedBytes, mtimeMs = 0, typeCode }: MadeEntry): Buffer[] {
  const body = Buffer.from(content);
  const fields = {
    path,
    type: type as 'File',
    size: claimedBytes ?? body.length,
    mode: 0o640,
    uid: 990,
    gid: 991,
    mtime: new Date(mtimeMs),
  };
  const block = Buffer.alloc(BLOCK_BYTES);
  new Header(linkpath === undefined ? fields : { ...fields, linkpath }).encode(block);
  if (typeCode !== undefined) retype(block, typeCode);
  return [block, body, Buffer.alloc((BLOCK_BYTES - (body.length % BLOCK_BYTES)) % BLOCK_BYTES)];
}

/** @see POSIX ustar: the type is byte 156, the checksum bytes 148 to 155, counted as blanks. */
function retype(block: Buffer, typeCode: string): void {
  block.write(typeCode, 156, 'latin1');
  block.fill(' ', 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
}
