import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { commandFilter, type Filter } from '../../../../src/io/process/pipe-command.ts';
import { throughStages } from '../../../support/through-stages.ts';

const fault: Filter['fault'] = ({ said, isGood }) => (isGood ? undefined : new Error(`it said: ${said}`));

function through(command: readonly string[], input: Uint8Array, options: Partial<Filter> = {}): Promise<Buffer> {
  return throughStages(input, [commandFilter({ begin: () => Promise.resolve({ command }), fault, ...options })]);
}

const sh = (script: string): string[] => ['sh', '-c', script];

describe('a command as a stage', () => {
  it('gives what the command makes of the input', async () => {
    const input = randomBytes(5_000_000);
    expect((await through(['cat'], input)).equals(input)).toBe(true);
  });

  it('fails as its end says, though it has given all', async () => {
    await expect(through(sh('cat; echo "bad checksum" >&2; exit 2'), Buffer.from('some'))).rejects.toThrow('it said: bad checksum');
    await expect(through(sh('cat; kill -9 $$'), Buffer.from('some'))).rejects.toThrow('it said: ');
  });

  it('may find fault with a good end', async () => {
    await expect(through(['cat'], Buffer.from('some'), { fault: () => new Error('never content') })).rejects.toThrow('never content');
  });

  it('takes what a command does not read that ends early', async () => {
    expect((await through(sh('echo done'), Buffer.alloc(5_000_000))).toString()).toBe('done\n');
    await expect(through(sh('echo "no more" >&2; exit 1'), Buffer.alloc(5_000_000))).rejects.toThrow('it said: no more');
  });

  it('says that there is no such command', async () => {
    const missing: Filter['fault'] = ({ isMissing }) => (isMissing ? new Error('install it') : undefined);
    await expect(through(['/nowhere/gpg'], Buffer.from('some'), { fault: missing })).rejects.toThrow('install it');
  });

  it('gives a secret that neither argv nor the environment shows', async () => {
    const script =
      'secret=$(cat <&3); input=$(cat); tr "\\0" " " </proc/$$/cmdline; tr "\\0" " " </proc/$$/environ; echo; echo "$input by $secret"';
    const shown = (
      await through([], Buffer.from('opened'), { begin: () => Promise.resolve({ command: sh(script), secret: 'open sesame' }) })
    ).toString();
    expect(shown.endsWith('\nopened by open sesame\n')).toBe(true);
    expect(shown.split('open sesame')).toHaveLength(2);
  });

  it('fails as its beginning does, and starts nothing', async () => {
    const begin = (): Promise<never> => Promise.reject(new Error('no key'));
    await expect(through([], Buffer.from('some'), { begin })).rejects.toThrow('no key');
  });

  it('fails, and nothing else does, if the command can’t even be started', async () => {
    await expect(through(['sh\0'], Buffer.from('some'))).rejects.toThrow('null bytes');
  });

  it('kills the command if the stream is given up', async () => {
    const stage = commandFilter({ begin: () => Promise.resolve({ command: sh('echo $$; exec sleep 600') }), fault });
    const [pid] = (await once(stage, 'data')) as [Buffer];
    stage.destroy();
    await once(stage, 'close');
    expect(() => process.kill(Number(String(pid)), 0)).toThrow('ESRCH');
  });
});
