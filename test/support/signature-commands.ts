/** The commands of docs/repository-format.md that check signatures, run in a repository's folder. */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'vitest';

const PAGE = new URL('../../docs/repository-format.md', import.meta.url);

/** The objects that nobody has signed who has one of these keys, by the commands alone. */
export async function untrustedByShell(root: string, publicLines: readonly string[]): Promise<string[]> {
  const folder = await mkdtemp(join(tmpdir(), 'rstow-signers-'));
  try {
    const signersFile = join(folder, 'signers');
    await writeFile(signersFile, publicLines.map((line) => `rstow ${line}\n`).join(''));
    const [, section = ''] = (await readFile(PAGE, 'utf8')).split('### Signatures');
    const scripts = [...section.split('\n## ')[0]!.matchAll(/```sh\n([\s\S]*?)```/g)].map(([, script = '']) => script);
    expect(scripts.map((script) => script.includes('/var/tmp/signers'))).toEqual([true, true]);
    const untrusted: string[] = [];
    for (const script of scripts) {
      const { stdout } = await promisify(execFile)('sh', ['-c', script.replace('/var/tmp/signers', signersFile)], { cwd: root });
      untrusted.push(...stdout.split('\n').filter((line) => line !== ''));
    }
    return untrusted.map((line) => line.replace(/^untrusted: /, '')).sort();
  } finally {
    await rm(folder, { recursive: true });
  }
}
