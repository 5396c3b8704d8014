/**
 * `node scripts/evidence/old-agent.ts [COMMIT]`: an agent of an older commit beside one of this tree on one Temporal, with
 * real servers and open runs; docs/evidence.md keeps the outcome. The default is the commit that brought worker versions.
 * Needs git, rstmdb and temporal on PATH.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startTemporalServer } from '../../test/support/temporal-server.ts';
import { brokenPromises, contractOfTree, treeOfContract, upgrade } from '../../test/support/upgrade.ts';

const FIRST_WITH_VERSIONS = '6e3a30c';
const ROOT = fileURLToPath(new URL('../..', import.meta.url));

const [commit = FIRST_WITH_VERSIONS] = process.argv.slice(2);
const folder = join(mkdtempSync(join(tmpdir(), 'rstow-old-')), 'tree');
const git = (...args: string[]): string => execFileSync('git', ['-C', ROOT, ...args], { encoding: 'utf8' }).trim();

git('worktree', 'add', '--detach', folder, commit);
const temporal = await startTemporalServer();
try {
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  const older = await contractOfTree(folder);
  const here = await contractOfTree(ROOT);
  // Before the contract was changed this tree would take the older one's runs, as it may: so it claims the next number.
  const newer = here.contract > older.contract ? here : await treeOfContract(older.contract + 1);
  console.log(
    `older: ${git('rev-parse', '--short', commit)}, contract ${older.contract}; newer: ${git('rev-parse', '--short', 'HEAD')}, contract ${newer.contract}`,
  );
  const facts = await upgrade(temporal.address, { older, newer });
  console.log(JSON.stringify(facts, undefined, 2));
  const broken = brokenPromises(facts, { older, newer });
  for (const promise of broken) console.log(`BROKEN ${promise}`);
  process.exitCode = broken.length === 0 ? 0 : 1;
} finally {
  await temporal.stop();
  git('worktree', 'remove', '--force', folder);
  rmSync(join(folder, '..'), { recursive: true, force: true });
}
