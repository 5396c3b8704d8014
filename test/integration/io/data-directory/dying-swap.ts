/**
 * Swaps a data directory and dies by SIGKILL before its n-th change of the disk; exits 0 where it made fewer.
 * Arguments: the data directory, its stop note as JSON, n.
 */
import fs from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';

const [dataDir = '', noteText = '', dieBefore = ''] = process.argv.slice(2);
let changes = 0;

function dying<Call extends (...args: never[]) => unknown>(call: Call): Call {
  return ((...args: never[]) => {
    changes += 1;
    if (changes === Number(dieBefore)) process.kill(process.pid, 'SIGKILL');
    return call(...args);
  }) as Call;
}

fs.rename = dying(fs.rename);
fs.rm = dying(fs.rm);
fs.rmdir = dying(fs.rmdir);
fs.mkdir = dying(fs.mkdir);
syncBuiltinESMExports();

const { writeStopNote, removeStopNote } = await import('../../../../src/io/data-directory/stop-note.ts');
const { blockServer } = await import('../../../../src/io/data-directory/server-block.ts');
const { finishSwap, swapWal } = await import('../../../../src/io/data-directory/swap.ts');
const { stopNoteSchema } = await import('../../../../src/formats/data-directory/stop-note.ts');

const note = stopNoteSchema.parse(JSON.parse(noteText));
if (note.kind !== 'swap') throw new Error('it is a swap that dies');
await writeStopNote(dataDir, note);
await blockServer(dataDir, note);
await writeStopNote(dataDir, { ...note, phase: 'swapping' });
await swapWal(dataDir, note);
await finishSwap(dataDir, note);
await removeStopNote(dataDir);
