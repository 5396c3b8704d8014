import { isErrorCode } from '../../core/errors/error-table.ts';
import { hintOf } from '../../core/errors/hint.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { backUp } from './backup-chapters.ts';
import { runFailureOf } from './demo-run.ts';
import { createEnds, type DemoScene, type Ends, openScene } from './demo-scene.ts';
import { countWhatIsLost, damagePiece, loseEverything, restoreThroughKills } from './disaster-chapters.ts';
import { createStory, type Story } from './story.ts';

const INTERRUPTED = 130;

/**
 * Loses a database and brings it back, on servers of its own, which are all ended whatever happens.
 * Returns the exit code: 0 if the restored server holds exactly what the backup held.
 */
export async function runDemo({ keepsRunning }: { keepsRunning: boolean }): Promise<number> {
  const interrupted = new AbortController();
  const interrupt = (): void => interrupted.abort();
  for (const signalName of ['SIGINT', 'SIGTERM'] as const) process.on(signalName, interrupt);
  const ends = createEnds();
  const interruption = untilAborted(interrupted.signal);
  const telling = tell(ends, keepsRunning, interrupted.signal);
  try {
    const isTold = await Promise.race([telling.then(() => true), interruption.then(() => false)]);
    if (isTold && keepsRunning) await awake(interruption);
    return isTold ? 0 : INTERRUPTED;
  } catch (error) {
    tellFailure(error);
    return 1;
  } finally {
    await ends.close();
    // What the demo was at when it was interrupted fails now, and may have opened one thing more.
    await telling.catch(() => undefined);
    await ends.close();
    for (const signalName of ['SIGINT', 'SIGTERM'] as const) process.off(signalName, interrupt);
  }
}

async function tell(ends: Ends, keepsRunning: boolean, signal: AbortSignal): Promise<void> {
  const story = createStory();
  story.chapter('A database, a Temporal server and an agent start, all real');
  const scene = await openScene(ends);
  tellScene(story, scene);
  const next = <T>(chapter: () => Promise<T>): Promise<T> => {
    signal.throwIfAborted();
    return chapter();
  };
  const stored = await next(() => backUp(scene, story));
  await next(() => damagePiece(scene, story, stored));
  await next(() => loseEverything(scene, story));
  await next(() => restoreThroughKills(scene, story, stored));
  await next(() => countWhatIsLost(scene, story, stored));
  tellHistories(story, scene, keepsRunning);
}

function tellScene(story: Story, { folder, database, temporal, agent, configFile }: DemoScene): void {
  story.fact(`everything lies in ${folder} and is removed at the end`);
  story.fact(`rstmdb on ${database.address}, its data in ${database.service.dataDir}`);
  story.fact(`Temporal on ${temporal.address}, process ${temporal.program.pid()}`);
  story.command(`rstow agent --config ${configFile}`);
  story.fact(`the agent is process ${agent.pid()}`);
  story.command(`export TEMPORAL_ADDRESS=${temporal.address}`);
}

function tellHistories(story: Story, { temporal }: DemoScene, keepsRunning: boolean): void {
  story.chapter('Every run has left its history');
  story.fact(`${temporal.uiUrl}/namespaces/default/workflows`);
  story.fact(keepsRunning ? 'Everything keeps running until Ctrl-C.' : 'Everything ends now. `rstow demo --keep` leaves it running.');
}

/** Neither a signal's handler nor an idle connection keeps a process alive: a timer does. */
async function awake(interruption: Promise<void>): Promise<void> {
  const timer = setInterval(() => undefined, 60_000);
  await interruption;
  clearInterval(timer);
}

function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    signal.addEventListener('abort', () => {
      process.stdout.write('\nending everything\n');
      resolve();
    });
  });
}

function tellFailure(error: unknown): void {
  const failure = runFailureOf(error);
  const sentence = error instanceof RstowError ? `${error.code}: ${error.message}` : (failure?.message ?? String(error));
  process.stderr.write(`error: ${sentence}\n`);
  const code = error instanceof RstowError ? error.code : failure?.type;
  if (code !== undefined && isErrorCode(code)) process.stderr.write(`hint: ${hintOf(code)}\n`);
}
