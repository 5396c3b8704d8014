/** `npm start`: loses a database and brings it back, on servers of its own. */
import { endThoughCallsHang } from '../src/io/process/hanging-calls.ts';
import { parseArgs } from 'node:util';
import { endQuietlyWithoutReader } from '../src/cli/output.ts';
import { isErrorCode } from '../src/core/errors/error-table.ts';
import { hintOf, RstowError } from '../src/core/errors/rstow-error.ts';
import { backUp, damagePiece, followLog } from './backup-chapters.ts';
import { countWhatIsLost, loseEverything, recoverThroughKills } from './disaster-chapters.ts';
import { runFailureOf } from './run.ts';
import { createEnds, type DemoScene, type Ends, openScene } from './scene.ts';
import { createStory, type Story } from './story.ts';

const USAGE = `Usage: npm start [-- --keep]

Loses a database and brings it back, on servers of its own, in a new temp folder.

  --keep  keep everything running until Ctrl-C
`;

const WRONG_USAGE = 2;
const INTERRUPTED = 130;

endQuietlyWithoutReader(process.stdout, process.stderr);
endThoughCallsHang(await main(process.argv.slice(2)));

async function main(args: string[]): Promise<number> {
  const options = optionsOf(args);
  if (options === undefined) return WRONG_USAGE;
  if (!options.help) return runDemo({ keepsRunning: options.keep });
  process.stdout.write(USAGE);
  return 0;
}

/** Undefined after saying what is wrong. */
function optionsOf(args: string[]): { keep: boolean; help: boolean } | undefined {
  try {
    const { values } = parseArgs({
      args,
      options: { keep: { type: 'boolean', default: false }, help: { type: 'boolean', default: false } },
    });
    return values;
  } catch (error) {
    process.stderr.write(`error: ${error instanceof Error ? error.message : String(error)}\n${USAGE}`);
    return undefined;
  }
}

/** Ends all that it started, whatever happens. Returns 0 if the recovered server shows exactly what was stored. */
async function runDemo({ keepsRunning }: { keepsRunning: boolean }): Promise<number> {
  const interrupted = new AbortController();
  const interrupt = (): void => interrupted.abort();
  for (const signalName of ['SIGINT', 'SIGTERM'] as const) process.on(signalName, interrupt);
  const ends = createEnds();
  const interruption = untilAborted(interrupted.signal);
  const playing = play(ends, keepsRunning, interrupted.signal);
  try {
    const isWhole = await Promise.race([playing.then(() => true), interruption.then(() => false)]);
    if (isWhole && keepsRunning) await awake(interruption);
    return isWhole ? 0 : INTERRUPTED;
  } catch (error) {
    printFailure(error);
    return 1;
  } finally {
    await ends.close();
    // What the demo was at when it was interrupted fails now, and may have opened one thing more.
    await playing.catch(() => undefined);
    await ends.close();
    for (const signalName of ['SIGINT', 'SIGTERM'] as const) process.off(signalName, interrupt);
  }
}

async function play(ends: Ends, keepsRunning: boolean, signal: AbortSignal): Promise<void> {
  const story = createStory();
  story.chapter('A database, a Temporal server and an agent start, all real');
  const scene = await openScene(ends);
  describeScene(story, scene);
  const next = <T>(chapter: () => Promise<T>): Promise<T> => {
    signal.throwIfAborted();
    return chapter();
  };
  const writers = await next(() => backUp(scene, story));
  await next(() => damagePiece(scene, story));
  await next(() => followLog(scene, story, writers));
  await next(() => loseEverything(scene, story, writers));
  const recovered = await next(() => recoverThroughKills(scene, story));
  await next(() => countWhatIsLost(scene, story, { writers, recovered }));
  showHistories(story, scene, keepsRunning);
}

function describeScene(story: Story, { folder, database, temporal, agent, configFile }: DemoScene): void {
  story.fact(`everything lies in ${folder} and is removed at the end`);
  story.fact(`rstmdb on ${database.address}, its data in ${database.service.dataDir}`);
  story.fact(`Temporal on ${temporal.address}, process ${temporal.program.pid()}`);
  story.command(`rstow agent --config ${configFile}`);
  story.fact(`the agent is process ${agent.pid()}`);
  story.command(`export TEMPORAL_ADDRESS=${temporal.address}`);
}

function showHistories(story: Story, { temporal }: DemoScene, keepsRunning: boolean): void {
  story.chapter('Every run has left its history');
  story.fact(`${temporal.uiUrl}/namespaces/default/workflows`);
  story.fact(keepsRunning ? 'Everything keeps running until Ctrl-C.' : 'Everything ends now. `npm start -- --keep` leaves it running.');
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

function printFailure(error: unknown): void {
  const failure = runFailureOf(error);
  const sentence = error instanceof RstowError ? `${error.code}: ${error.message}` : (failure?.message ?? String(error));
  process.stderr.write(`error: ${sentence}\n`);
  const code = error instanceof RstowError ? error.code : failure?.type;
  if (code !== undefined && isErrorCode(code)) process.stderr.write(`hint: ${hintOf(code)}\n`);
}
