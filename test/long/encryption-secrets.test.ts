/** A passphrase, an identity and the passphrase of its file: none gets into a command line, an environment, a log, a history or a file. */
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Encrypter } from 'age-encryption';
import { expect, inject, it, onTestFinished } from 'vitest';
import type { HotBackupResult } from '../../src/contract/hot-backup.ts';
import type { VerifyBackupResult } from '../../src/contract/verify-backup.ts';
import { DATABASE } from '../support/database-stack.ts';
import { newAgeKey, newPassphrase, secretFolder } from '../support/encryption-keys.ts';
import { filesBelow } from '../support/folder-hash.ts';
import { writeOrders } from '../support/odd-source.ts';
import { textOfHistory } from '../support/run-workflow.ts';
import { openScene, type Scene } from '../support/scene.ts';
import { lackOf } from '../support/tools.ts';

const SAMPLE_MS = 5;

/** Command lines and environments of every process that there is meanwhile, our own left out: it has made the secrets. */
async function withProcesses<Result>(work: () => Promise<Result>): Promise<{ result: Result; seen: Set<string> }> {
  const seen = new Set<string>();
  const ended = new AbortController();
  const sampling = (async () => {
    while (!ended.signal.aborted) {
      const pids = (await readdir('/proc')).filter((name) => /^[0-9]+$/.test(name) && Number(name) !== process.pid);
      const files = pids.flatMap((pid) => [`/proc/${pid}/cmdline`, `/proc/${pid}/environ`]);
      for (const text of await Promise.all(files.map((file) => readFile(file, 'latin1').catch(() => ''))))
        seen.add(text.replaceAll('\0', ' '));
      await sleep(SAMPLE_MS);
    }
  })();
  try {
    return { result: await work(), seen };
  } finally {
    ended.abort();
    await sampling;
  }
}

/** A gpg that first notes its own command line and environment, for it may end between two looks; gives the file of these. */
async function noteGpg(folder: string): Promise<string> {
  const [bin, notes] = [join(folder, 'bin'), join(folder, 'gpg-notes')];
  const path = process.env['PATH'] ?? '';
  await mkdir(bin);
  const script = `#!/bin/sh\ntr '\\0' ' ' </proc/$$/cmdline >>${notes}\ntr '\\0' ' ' </proc/$$/environ >>${notes}\nPATH='${path}' exec gpg "$@"\n`;
  await writeFile(join(bin, 'gpg'), script, { mode: 0o755 });
  process.env['PATH'] = [bin, path].join(delimiter);
  onTestFinished(() => void (process.env['PATH'] = path));
  return notes;
}

async function payloads({ temporal }: Scene): Promise<string[]> {
  const texts: string[] = [];
  for await (const { workflowId, runId } of temporal.client.workflow.list()) {
    texts.push(textOfHistory(await temporal.client.workflow.getHandle(workflowId, runId).fetchHistory()));
  }
  return texts;
}

it.skipIf(lackOf('gpg') !== '')(`encrypts and opens by gpg and by age, and no secret gets anywhere${lackOf('gpg')}`, async () => {
  const folder = await secretFolder();
  const [byGpg, ofIdentity, key] = [await newPassphrase(folder), await newPassphrase(folder), await newAgeKey(folder)];
  const gpgNotes = await noteGpg(folder);
  const encrypter = new Encrypter();
  encrypter.setPassphrase(ofIdentity.passphrase);
  encrypter.setScryptWorkFactor(12);
  const identityFile = join(folder, 'identity.age');
  const second = join(folder, 'second');
  await mkdir(second);
  await writeFile(identityFile, await encrypter.encrypt(key.secret), { mode: 0o600 });
  const age = { kind: 'age', recipients: [key.recipient], identityFiles: [identityFile], identityPassphraseFile: ofIdentity.file };
  const scene = await openScene(
    { temporalAddress: inject('temporalAddress'), workflowBundlePath: inject('workflowBundlePath') },
    {
      repository: { encryption: { kind: 'gpg', passphraseFile: byGpg.file } },
      repositories: { second: { kind: 'folder', path: second, encryption: age } },
    },
  );
  onTestFinished(() => scene.close());
  await writeOrders(scene.stack.address, 20);
  const { result, seen } = await withProcesses(async () => {
    const backup = await scene.temporal.execute<HotBackupResult>('hotBackup', { database: DATABASE });
    const verified: VerifyBackupResult[] = [];
    for (const repository of ['local', 'second']) {
      verified.push(await scene.temporal.execute<VerifyBackupResult>('verifyBackup', { database: DATABASE, repository }));
    }
    return { backup, verified };
  });
  for (const { stateDigest } of result.verified) expect(stateDigest).toBe(result.backup.stateDigest);

  const files = [...(await filesBelow(scene.stack.folder)), ...(await filesBelow(second)), gpgNotes];
  const texts = [...seen, ...(await payloads(scene)), scene.agent.logText(), scene.agent.outputText()];
  for (const file of files) texts.push((await readFile(file)).toString('latin1'));
  const all = texts.join('\n');
  // The search would see them: what is no secret is found.
  for (const open of ['--passphrase-fd 3', key.recipient, result.backup.label, byGpg.file]) expect(all).toContain(open);
  for (const secret of [byGpg.passphrase, ofIdentity.passphrase, key.secret]) {
    expect(all.includes(secret)).toBe(false);
    expect(all.includes(Buffer.from(secret).toString('base64').slice(0, -4))).toBe(false);
  }
});
