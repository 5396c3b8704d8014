import { z } from 'zod';
import { durationMs } from './values.ts';

/** Short in tests. */
export const timingSection = z
  .strictObject({
    heartbeatMs: durationMs.default(30_000).describe('Silence of a step after which its agent counts as dead.'),
    retryInitialMs: durationMs
      .default(1_000)
      .describe('How long a step that failed waits before it is tried again; twice as long each time.'),
    retryMaxMs: durationMs.default(30_000).describe('How long it waits at most.'),
    transferGiveUpMs: durationMs.default(86_400_000).describe('How long a transfer is tried while the repository or the network is away.'),
    stepGiveUpMs: durationMs
      .default(600_000)
      .describe('How long a step that isn’t a transfer may take, with an agent that dies and comes back meanwhile.'),
    patienceMs: durationMs
      .default(10_000)
      .describe('How long a step that fails is tried again before the run fails. A run of a schedule waits instead.'),
    probeMs: durationMs.default(4_000).describe('How long an agent may take to answer before it counts as down.'),
    cleanupGiveUpMs: durationMs
      .default(600_000)
      .describe('How long a run’s clean-up waits for an agent that died; later that agent’s own housekeeping does it.'),
    contractGoneMs: durationMs
      .default(180_000)
      .describe('How long no agent of a run’s own contract may answer before an agent of another one ends the run.'),
    ownerPollMs: durationMs
      .default(60_000)
      .describe(
        'How long it may take until an agent finds out that another installation has become a database’s owner; five times as long where requests cost.',
      ),
    tornTailMs: durationMs
      .default(10_000)
      .describe('How long an incomplete record at the log’s end may stay unchanged before it counts as torn.'),
    serverRequestMs: durationMs.default(30_000).describe('How long the server may take to answer a request.'),
    repositoryAnswerMs: durationMs
      .default(15_000)
      .describe('Silence of a repository after which it hangs: of one call, and four times as long if a disk has to write.'),
  })
  .describe('How long things may take. The defaults suit production.')
  .meta({ sample: { heartbeatMs: 60_000, repositoryAnswerMs: 30_000 } });
