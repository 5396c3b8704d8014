import { join } from 'node:path';
import { repeatTree } from '../../../../src/io/data-directory/file-tree.ts';
import { pinSegments } from '../../../../src/io/data-directory/pins.ts';

/** Runs under strace, which lets its links fail. Pins the segments of a data directory, repeats its wal/, and prints the pin. */
const dataDir = process.argv[2] ?? '';
process.stdout.write(JSON.stringify(await pinSegments({ dataDir, timeline: '0001', runId: 'run' })));
await repeatTree(join(dataDir, 'wal'), join(dataDir, 'repeated'));
