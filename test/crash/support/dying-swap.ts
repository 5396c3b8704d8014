/**
 * Swaps a data directory, or only keeps servers from it for a while, and dies by SIGKILL before its n-th change of the disk; exits 0 where it made fewer.
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

const { writeStopNote, removeStopNote } = await import('../../../src/io/data-directory/rstow-folder.ts');
const { blockServer } = await import('../../../src/io/data-directory/server-block.ts');
const { finishOnDisk } = await import('../../../src/database/finish-stop-note.ts');
const { swapWal } = await import('../../../src/io/data-directory/swap.ts');
const { stopNoteSchema } = await import('../../../src/formats/data-directory.ts');

const note = stopNoteSchema.parse(JSON.parse(noteText));
await writeStopNote(dataDir, note);
await blockServer(dataDir, note);
if (note.kind === 'swap') {
  await writeStopNote(dataDir, { ...note, phase: 'swapping' });
  await swapWal(dataDir, note);
}
await finishOnDisk(dataDir, note);
await removeStopNote(dataDir);
