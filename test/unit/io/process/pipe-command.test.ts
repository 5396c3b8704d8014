import { describe, expect, it } from 'vitest';
import { commandInput, commandOutput } from '../../../../src/io/process/pipe-command.ts';

const never = new AbortController().signal;

async function textOf(chunks: AsyncIterable<Uint8Array>): Promise<string> {
  let text = '';
  for await (const chunk of chunks) text += Buffer.from(chunk).toString();
  return text;
}

async function* given(...texts: string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield Buffer.from(text);
}

async function* failing(): AsyncGenerator<Uint8Array> {
  yield Buffer.from('a part');
  throw new Error('the object is cut short');
}

describe('a command’s output', () => {
  it('is what it prints, all of it', async () => {
    const text = await textOf(commandOutput(['sh', '-c', 'seq 1 200000'], never));
    expect(text.endsWith('\n200000\n')).toBe(true);
  });

  it('fails at its end if the command does, with what it said', async () => {
    const reading = textOf(commandOutput(['sh', '-c', 'echo some; echo "no such snapshot" >&2; exit 3'], never));
    await expect(reading).rejects.toMatchObject({ code: 'failed', message: 'sh failed (exit code 3): no such snapshot' });
  });

  it('fails if the command is killed', async () => {
    await expect(textOf(commandOutput(['sh', '-c', 'echo some; kill -9 $$'], never))).rejects.toThrow('sh failed (SIGKILL)');
  });

  it('fails if there is no such command', async () => {
    await expect(textOf(commandOutput(['/nowhere/zfs'], never))).rejects.toMatchObject({ code: 'failed' });
  });

  it('ends with the reason of an abort', async () => {
    const stopping = new AbortController();
    const reading = textOf(commandOutput(['sleep', '60'], stopping.signal));
    stopping.abort(new Error('cancelled by somebody'));
    await expect(reading).rejects.toThrow('cancelled by somebody');
  });
});

describe('a command’s input', () => {
  it('is all that the source gives', async () => {
    await commandInput(['sh', '-c', 'test "$(cat)" = onetwo'], given('one', 'two'), never);
  });

  it('fails with what the command said, also if it reads no more', async () => {
    const big = Buffer.alloc(4_000_000).toString();
    const giving = commandInput(['sh', '-c', 'echo "the dataset exists" >&2; exit 1'], given(big, big), never);
    await expect(giving).rejects.toMatchObject({ code: 'failed', message: 'sh failed (exit code 1): the dataset exists' });
  });

  it('kills the command if the source fails, so that it takes no part for the whole', async () => {
    const giving = commandInput(['sh', '-c', 'cat >/dev/null; sleep 0.2; echo taken'], failing(), never);
    await expect(giving).rejects.toThrow('the object is cut short');
  });

  it('ends with the reason of an abort', async () => {
    const stopping = new AbortController();
    const giving = commandInput(['sleep', '60'], given('one'), stopping.signal);
    stopping.abort(new Error('cancelled by somebody'));
    await expect(giving).rejects.toThrow('cancelled by somebody');
  });
});
