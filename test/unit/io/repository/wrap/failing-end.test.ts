/** A repository whose disk or server refuses the end of an object, as a bucket does with its last part. */
import { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { expect, it } from 'vitest';
import { createMemoryRepository } from '../../../../../src/io/repository/memory.ts';
import type { Repository } from '../../../../../src/io/repository/port.ts';
import { createCallGate } from '../../../../../src/io/repository/wrap/call-gate.ts';
import { limited } from '../../../../../src/io/repository/wrap/limit.ts';
import { recalling } from '../../../../../src/io/repository/wrap/recall.ts';

const BOUNDS = { answerMs: 60_000, callsMax: 3, unansweredMax: 2, retryMs: 60_000 };

function refusing(): Repository {
  const memory = createMemoryRepository();
  return {
    ...memory,
    stage: async (expectedKey) => {
      const sink = new Writable({
        write: (_chunk, _encoding, done) => done(),
        final: (done) => void setImmediate(() => done(new Error('the last part did not arrive'))),
      });
      return Promise.resolve({ ...(await memory.stage(expectedKey)), sink });
    },
  };
}

it.each([
  ['recalled', recalling(refusing())],
  ['limited', limited(refusing(), createCallGate('memory', BOUNDS))],
])('fails as the end of an object does, through what is %s', async (_name, repository) => {
  const { sink } = await repository.stage('log/a');
  await expect(pipeline(Readable.from([Buffer.from('some')]), sink)).rejects.toThrow('the last part did not arrive');
});
