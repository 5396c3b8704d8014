/**
 * `node pipeline-main.ts DATA-SET-JSON WORK-DIR [age]`: one round of all steps in one process, as in an agent; prints the costs as JSON. With `age`
 * everything is encrypted for a recipient whose identity the agent has.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { generateX25519Identity, identityToRecipient } from 'age-encryption';
import type { DataSet } from '../generator/data-set.ts';
import { growPlaced, placeBase } from '../generator/placed-data.ts';
import type { Costs } from '../measure/cost.ts';
import { ownCost, residentMb } from '../measure/own-cost.ts';
import { storedBytes } from '../measure/stored-bytes.ts';
import { benchDeps, claimDatabase } from './bench-agent.ts';
import { backUp, foldersOf, restore, verify } from './pipeline-steps.ts';

const [dataSetJson = '', workDir = '', cipher] = process.argv.slice(2);
const data = JSON.parse(dataSetJson) as DataSet;
const folders = foldersOf(workDir);

await mkdir(folders.repositoryDir, { recursive: true });
await placeBase(data, folders.dataDir);
const deps = benchDeps({ ...folders, encryption: cipher === 'age' ? await ageEncryption() : undefined });
const timeline = await claimDatabase(deps);
const idleRssMb = residentMb();
const costs: Costs = {};

costs.full = await ownCost(idleRssMb, () => backUp(deps, { label: 'first', timeline }));
costs.full.storedBytes = await storedBytes(folders.repositoryDir);
costs.unchanged = await ownCost(idleRssMb, () => backUp(deps, { label: 'second', timeline }));
costs.unchanged.storedBytes = await storedBytes(folders.repositoryDir);
await growPlaced(data, folders.dataDir);
costs.grown = await ownCost(idleRssMb, () => backUp(deps, { label: 'third', timeline }));
costs.grown.storedBytes = await storedBytes(folders.repositoryDir);
costs.verify = await ownCost(idleRssMb, () => verify(deps, 'third'));
costs.restore = await ownCost(idleRssMb, () => restore(deps, 'third', folders.restoredDir));
process.stdout.write(JSON.stringify(costs));

async function ageEncryption(): Promise<object> {
  const identity = await generateX25519Identity();
  const identityFile = join(workDir, 'age.key');
  await writeFile(identityFile, `${identity}\n`, { mode: 0o600 });
  return { kind: 'age', recipients: [await identityToRecipient(identity)], identityFiles: [identityFile] };
}
