/**
 * `node --max-semi-space-size=4 scripts/evidence/many-instances.ts [INSTANCES] [FOLDER]`: backs up a log of five million
 * instances, then with nothing new, then after a thousand of them have changed, in one process as in an agent, without a
 * server and without Temporal. Prints CPU, time and the memory on top of the idle process; docs/evidence.md keeps the outcome.
 */
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { DataSet } from '../../bench/generator/data-set.ts';
import { growPlaced, placeBase } from '../../bench/generator/placed-data.ts';
import { createWalWriter } from '../../bench/generator/wal-writer.ts';
import { ownCost, residentMb } from '../../bench/measure/own-cost.ts';
import { benchDeps, claimDatabase, DATABASE } from '../../bench/pipeline/bench-agent.ts';
import { backUp, foldersOf } from '../../bench/pipeline/pipeline-steps.ts';
import { recordTypes } from '../../src/core/wal/record.ts';

const SEGMENT_SIZE_BYTES = 64 * 1024 * 1024;
const CHANGED = 1000;

const [countText = '5000000', parentDir = tmpdir(), generateInto] = process.argv.slice(2);
const instances = Number(countText);
if (generateInto === undefined) await measure();
else process.stdout.write(JSON.stringify(generate(generateInto)));

async function measure(): Promise<void> {
  const workDir = await mkdtemp(join(parentDir, 'rstow-many-instances-'));
  try {
    const data = await generated(workDir);
    const folders = foldersOf(workDir);
    await mkdir(folders.repositoryDir, { recursive: true });
    await placeBase(data, folders.dataDir);
    const deps = benchDeps(folders);
    const timeline = await claimDatabase(deps);
    const idleMb = residentMb();
    console.log(`${instances} instances in ${data.base.length} segments; idle ${Math.round(idleMb)} MB`);
    const round = async (label: string): Promise<void> => {
      const cost = await ownCost(idleMb, () => backUp(deps, { label, timeline }));
      const stateMb = Math.round((await folderBytes(join(folders.stateDir, DATABASE, 'digest'))) / 1e6);
      console.log(JSON.stringify({ label, ...cost, stateMb }));
    };
    await round('first');
    await round('unchanged');
    await growPlaced(data, folders.dataDir);
    await round('changed');
    await round('unchanged-again');
  } finally {
    await rm(workDir, { recursive: true });
  }
}

/** In a process of its own: what it leaves in memory is not the backup's. */
async function generated(workDir: string): Promise<DataSet> {
  const walDir = join(workDir, 'generated');
  await mkdir(walDir);
  const { stdout } = await promisify(execFile)(process.execPath, [fileURLToPath(import.meta.url), countText, parentDir, walDir]);
  return JSON.parse(stdout) as DataSet;
}

function generate(walDir: string): DataSet {
  const wal = createWalWriter(walDir, SEGMENT_SIZE_BYTES);
  const append = (type: number, entry: object): void => void wal.append({ type, text: JSON.stringify(entry) });
  const definition = { states: ['created', 'paid'], initial: 'created', transitions: [{ from: ['created'], event: 'PAY', to: 'paid' }] };
  append(recordTypes.putMachine, { type: 'put_machine', machine: 'order', version: 1, definition_hash: '', definition });
  for (let count = 0; count < instances; count += 1) append(recordTypes.createInstance, created(count));
  const base = wal.extents();
  for (let count = 0; count < CHANGED; count += 1) append(recordTypes.applyEvent, paid(Math.floor((count * instances) / CHANGED)));
  wal.close();
  return { walDir, snapshotsDir: undefined, base, grown: wal.extents(), instances, snapshotFiles: 0 };
}

function created(count: number): object {
  const ctx = { customer: count % 9973, total: count % 500 };
  return { type: 'create_instance', instance_id: idOf(count), machine: 'order', version: 1, initial_state: 'created', initial_ctx: ctx };
}

function paid(count: number): object {
  const of = { event: 'PAY', from_state: 'created', to_state: 'paid', payload: null, ctx: { paid: true } };
  return { type: 'apply_event', instance_id: idOf(count), ...of };
}

/** In no order, as ids that clients choose are. */
function idOf(count: number): string {
  return `order-${((count * 2_654_435_761) % 2 ** 32).toString(16).padStart(8, '0')}-${count}`;
}

async function folderBytes(folder: string): Promise<number> {
  const sizes = await Promise.all((await readdir(folder)).map(async (name) => (await stat(join(folder, name))).size));
  return sizes.reduce((sum, sizeBytes) => sum + sizeBytes, 0);
}
