/** Archives of the guide's own scripts, made of a real server, become backups; those that no server could start from are refused. */
import { copyFile, mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { describeProtection } from '../../src/activities/catalogue/describe-protection.ts';
import { readBackups } from '../../src/activities/catalogue/list-backups.ts';
import { recordVerification } from '../../src/activities/verify/verify-backup.ts';
import type { BackupRow } from '../../src/contract/list-backups.ts';
import { agentConfigSchema } from '../../src/config/agent-config.ts';
import { writeCounters } from '../support/compactable-log.ts';
import { DATABASE, type DatabaseStack } from '../support/database-stack.ts';
import { backUp, directDeps, directRun, importFile, restoreElsewhere } from '../support/direct-backup.ts';
import { oddSource, writeOrders } from '../support/odd-source.ts';
import { canRunOldScripts, makeOldArchive, makeOldHost, shownState, tornArchive, truncatedArchive } from '../support/old-scripts.ts';
import { runProgram } from '../support/run-program.ts';

const NEEDS = canRunOldScripts() ? '' : ' (needs root and mounts)';

/** As `rstow list` shows them. */
async function listed(stack: DatabaseStack): Promise<BackupRow[]> {
  return (await directRun(directDeps(stack))(readBackups, { database: DATABASE, limit: 100 })).backups;
}

/** What an import has left: nothing, in the agent's scratch place and in the list of backups. */
async function expectNothingLeft(stack: DatabaseStack): Promise<void> {
  expect(await listed(stack)).toEqual([]);
  expect(await readdir(join(stack.config.agent.stateDir, 'scratch'))).toEqual([]);
}

const SAID_BY = { 'hot-backup.sh': 'backup.json', 'cold-backup.sh': 'folder-name', 'lvm-snapshot-backup.sh': 'file-name' } as const;
const SCRIPTS = Object.keys(SAID_BY) as (keyof typeof SAID_BY)[];

describe.skipIf(NEEDS !== '')(`archives of the old scripts${NEEDS}`, () => {
  it.each(SCRIPTS)('imports what %s has made, beside the history in use, and restores it to the same state', async (script) => {
    const stack = await oddSource();
    const old = await makeOldHost(stack);
    await writeOrders(stack.address, 40);
    const own = await backUp(stack);
    const archive = await makeOldArchive(old, script);
    const { stateDigest, machines, instances } = await shownState(stack);
    const imported = await importFile(stack, archive);
    const state = { stateDigest, machines, instances };
    expect(imported).toMatchObject({
      outcome: 'done',
      kind: 'import',
      restorable: 'from-log',
      timeline: '0002',
      takenFrom: SAID_BY[script],
      ...state,
    });
    expect(Math.abs(imported.takenAtMs - Date.now())).toBeLessThan(600_000);
    const rows = await listed(stack);
    expect(rows.map(({ label, isInUse }) => [label, isInUse])).toEqual([
      [own.label, true],
      [imported.label, false],
    ]);
    expect(rows[1]).toMatchObject({ kind: 'import', verified: { level: 'replay' } });
    // It says nothing of how well the database is protected.
    const info = await directRun(directDeps(stack))(describeProtection, { database: DATABASE });
    expect(info).toMatchObject({ latest: { label: own.label }, lastVerified: null, tested: null, untested: [own.label] });
    expect(await importFile(stack, archive)).toMatchObject({ outcome: 'not-needed', label: imported.label, bytesStored: 0 });
    await restoreElsewhere(stack, imported.label, join(stack.folder, 'restored'));
    await writeOrders(stack.address, 5, 'later');
    expect((await backUp(stack)).timeline).toBe(own.timeline);
  });

  it('says which segments a hollow archive lacks, and stores nothing of it', async () => {
    const stack = await oddSource({ segmentSizeMb: 1 });
    const old = await makeOldHost(stack);
    await writeCounters(stack.address, { count: 25, textBytes: 100_000 });
    const archive = await makeOldArchive(old, 'hot-backup.sh');
    await expect(importFile(stack, archive)).rejects.toMatchObject({
      code: 'archive-hollow',
      message: expect.stringMatching(
        /lacks segments? 1.* of the log, which a COMPACT has deleted, such as the one that hot-backup.sh begins with: a server/,
      ) as string,
    });
    await expectNothingLeft(stack);
  });

  it('says of a truncated archive which segments it could read', async () => {
    const stack = await oddSource({ segmentSizeMb: 1 });
    const old = await makeOldHost(stack);
    await writeCounters(stack.address, { count: 25, textBytes: 100_000 });
    const archive = await truncatedArchive(await makeOldArchive(old, 'cold-backup.sh'), 0.7);
    await expect(importFile(stack, archive)).rejects.toMatchObject({
      code: 'archive-truncated',
      message: expect.stringMatching(/ends too early: .*whole segments? could be read/) as string,
    });
    await expectNothingLeft(stack);
  });

  it('cuts a torn tail, says how many bytes, and imports the rest', async () => {
    const stack = await oddSource();
    const old = await makeOldHost(stack);
    await writeOrders(stack.address, 20);
    const archive = await tornArchive(await makeOldArchive(old, 'cold-backup.sh'), 30);
    const imported = await importFile(stack, archive);
    const cut = expect.stringMatching(/^0000000000000001\.wal ended with \d+ bytes of an incomplete record, .*; they were cut$/) as string;
    expect(imported).toMatchObject({ outcome: 'warnings', restorable: 'from-log', warnings: [{ code: 'torn-tail', message: cut }] });
    const whole = await importFile(stack, await makeOldArchive(old, 'cold-backup.sh'));
    expect(imported.records).toBe(whole.records - 1);
    await restoreElsewhere(stack, imported.label, join(stack.folder, 'restored'));
  });

  it('opens what age and gpg have encrypted with the keys of the config alone', async () => {
    const stack = await oddSource();
    const old = await makeOldHost(stack);
    await writeOrders(stack.address, 20);
    for (const script of ['encryption-age.sh', 'encryption-gpg.sh'] as const) await old.run(script);
    const [aged, gpg] = [join(old.workDir, 'backup.tar.gz.age'), join(old.workDir, 'backup.tar.gz.gpg')];
    for (const locked of [aged, gpg]) await expect(importFile(stack, locked)).rejects.toMatchObject({ code: 'archive-locked' });
    const passphraseFile = join(stack.folder, 'passphrase');
    await writeFile(passphraseFile, 'another one\n');
    const keys = { ageIdentityFile: join(old.workDir, 'key.txt'), gpgPassphraseFile: passphraseFile };
    const plain = { ...stack.plain, databases: { [DATABASE]: { ...stack.plain.databases[DATABASE], import: keys } } };
    const withKeys = { ...stack, config: agentConfigSchema.parse(plain) };
    await expect(importFile(withKeys, gpg)).rejects.toMatchObject({
      code: 'archive-locked',
      message: expect.stringContaining('does not open') as string,
    });
    await writeFile(passphraseFile, 'a passphrase\n');
    const { stateDigest } = await shownState(stack);
    const opened = await importFile(withKeys, aged);
    expect(opened).toMatchObject({ outcome: 'done', stateDigest, takenFrom: 'newest-file' });
    expect(await importFile(withKeys, gpg)).toMatchObject({ outcome: 'not-needed', label: opened.label });
  });
});

it('reads nothing outside the archive roots, however it is named', async () => {
  const stack = await oddSource();
  await writeOrders(stack.address, 3);
  const outside = join(stack.folder, 'outside.tar.gz');
  await runProgram('tar', ['-czf', outside, '-C', stack.dataDir, '.']);
  const roots = join(stack.folder, 'roots');
  await mkdir(roots);
  await symlink(outside, join(roots, 'link.tar.gz'));
  const plain = { ...stack.plain, agent: { ...stack.plain.agent, archiveRoots: [roots] } };
  const bounded = { ...stack, config: agentConfigSchema.parse(plain) };
  for (const file of [outside, join(roots, 'link.tar.gz'), join(roots, 'absent.tar.gz'), roots]) {
    await expect(importFile(bounded, file)).rejects.toMatchObject({ code: 'file-not-allowed' });
  }
  await copyFile(outside, join(roots, 'inside.tar.gz'));
  expect((await importFile(bounded, join(roots, 'inside.tar.gz'))).outcome).toBe('done');
});

it('imports for a database that nobody owns, whose first owner then has a history of its own', async () => {
  const stack = await oddSource();
  await writeOrders(stack.address, 10);
  const archive = join(stack.folder, '20261129-030000.tar');
  await runProgram('tar', ['-cf', archive, '-C', stack.dataDir, '.']);
  const imported = await importFile(stack, archive);
  expect(imported).toMatchObject({ timeline: '0002', takenAtMs: new Date(2026, 10, 29, 3).getTime(), takenFrom: 'file-name' });
  expect(await listed(stack)).toMatchObject([{ label: imported.label, isInUse: true }]);
  const own = await backUp(stack);
  expect(own.timeline).toBe('0001');
  expect(await listed(stack)).toMatchObject([
    { label: own.label, isInUse: true },
    { label: imported.label, isInUse: false },
  ]);
  expect(JSON.parse(await readFile(join(stack.walDir, 'rstow-timeline.json'), 'utf8'))).toMatchObject({ timeline: '0001' });
});

it('imports an archive anew if a check has found the backup of it damaged', async () => {
  const stack = await oddSource();
  await writeOrders(stack.address, 3);
  const archive = join(stack.folder, 'archive.tar');
  await runProgram('tar', ['-cf', archive, '-C', stack.dataDir, '.']);
  const first = await importFile(stack, archive);
  const failure = { code: 'damaged-object', sentence: 'a bit of it has flipped' };
  const fact = { label: first.label, level: 'replay' as const, atMs: Date.now(), held: false, failure };
  await directRun(directDeps(stack))(recordVerification, { database: DATABASE, repository: first.repository, fact });
  const second = await importFile(stack, archive);
  expect(second).toMatchObject({ outcome: 'done', stateDigest: first.stateDigest });
  expect(second.timeline).not.toBe(first.timeline);
  expect(await importFile(stack, archive)).toMatchObject({ outcome: 'not-needed', label: second.label });
});
