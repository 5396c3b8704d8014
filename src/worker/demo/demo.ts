import { errorRow, isErrorCode } from '../../core/errors/error-table.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import { backUpTheRest, backUpUnderLoad, loseEverything, restoreAndCompare, verify } from './demo-chapters.ts';
import { createEnds, type DemoScene, type Ends, openScene } from './demo-scene.ts';
import { createStory, type Story } from './story.ts';

const INTERRUPTED = 130;

/**
 * Loses a database and brings it back, on servers of its own, which are all ended whatever happens.
 * Returns the exit code: 0 where the restored server holds exactly what the backup held.
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
  story.step('A database, a Temporal server and an agent start, all real');
  const scene = await openScene(ends);
  tellScene(story, scene);
  for (const chapter of chapters(scene, story)) {
    signal.throwIfAborted();
    await chapter();
  }
  tellHistories(story, scene, keepsRunning);
}

function chapters(scene: DemoScene, story: Story): (() => Promise<void>)[] {
  let writers: Awaited<ReturnType<typeof backUpUnderLoad>>;
  let last: Awaited<ReturnType<typeof backUpTheRest>>;
  return [
    async () => void (writers = await backUpUnderLoad(scene, story)),
    async () => void (last = await backUpTheRest(scene, story, writers)),
    () => verify(scene, story),
    () => loseEverything(scene, story),
    () => restoreAndCompare(scene, story, last),
  ];
}

function tellScene(story: Story, { folder, database, temporal, agentPid }: DemoScene): void {
  story.fact(`rstmdb on ${database.address} with segments of 4 MB, data in ${database.service.dataDir}`);
  story.fact(`Temporal on ${temporal.address} (process ${temporal.program.pid}), UI ${temporal.uiUrl}`);
  story.fact(`agent "demo" (process ${agentPid}), repository ${folder}/repository`);
}

function tellHistories(story: Story, { temporal }: DemoScene, keepsRunning: boolean): void {
  story.step('Every run has left its history');
  story.fact(`${temporal.uiUrl}/namespaces/default/workflows`);
  story.fact(`temporal workflow list --address ${temporal.address}`);
  story.fact(
    keepsRunning
      ? 'All is kept running until Ctrl-C.'
      : 'All ends now; `rstow demo --keep` (`npm start -- --keep`) leaves it running to look around.',
  );
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

/** A run's own failure begins with its code, and names the step. */
function tellFailure(error: unknown): void {
  const { cause } = error as { cause?: { type?: string; message?: string } };
  const isRuns = cause?.type !== undefined && isErrorCode(cause.type);
  const sentence = error instanceof RstowError ? `${error.code}: ${error.message}` : isRuns ? (cause.message ?? '') : String(error);
  process.stderr.write(`error: ${sentence}\n`);
  const code = error instanceof RstowError ? error.code : cause?.type;
  if (code !== undefined && isErrorCode(code)) process.stderr.write(`hint: ${errorRow(code).hint}\n`);
}
