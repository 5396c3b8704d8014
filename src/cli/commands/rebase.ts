import {
  type LogSize,
  parseRebaseDatabaseInput,
  type RebaseDatabaseInput,
  type RebaseDatabaseResult,
} from '../../contract/rebase-database.ts';
import type { LocalRecovery } from '../../local/local-run.ts';
import type { OperatorKey } from '../../worker/operator-key.ts';
import type { CliCommand, HostSettings, RunKind } from '../command.ts';
import { countedText, sizeText } from '../figures.ts';
import { addKeyOption, addRunOptions, commonInput, CONFIG_OPTION_HELP, execute } from '../options.ts';
import { type Fact, factLines } from '../output.ts';
import { carryOut, type RecoveryOptions, restoreFacts, restoreLines } from './restore.ts';

const REBASE: RunKind<'rebaseDatabase'> = { type: 'rebaseDatabase', isQuery: false, resultLines: rebaseLines };

type RebaseOptions = Omit<RecoveryOptions, 'discardNewer'>;

export const rebaseCommand: CliCommand = {
  name: 'rebase',
  description: 'let the server go on with a short log that begins with its present state',
  runs: [REBASE],
  define: (command, cli) => {
    addKeyOption(addRunOptions(command))
      .option('--dry-run', 'only make and show the plan')
      .option('--yes', 'do not ask for the name of the database')
      .option('--without-temporal', 'on this host, by this process, if there is no Temporal')
      .option('--config <file>', `with --without-temporal: the agent’s; ${CONFIG_OPTION_HELP}`)
      .action(async (database: string, options: RebaseOptions) => cli.exit(await rebase(database, options, cli.settings)));
  },
};

/** Returns the exit code. */
async function rebase(database: string, options: RebaseOptions, settings: HostSettings): Promise<number> {
  const input = parseRebaseDatabaseInput([{ ...commonInput(database, options), dryRun: options.dryRun }]);
  const run = (asked: RebaseDatabaseInput, key: OperatorKey | undefined): Promise<number> =>
    execute({ ...REBASE, input: asked, key }, options);
  const alone = async (asked: RebaseDatabaseInput, local: Omit<LocalRecovery, 'input'>): Promise<RebaseDatabaseResult> => {
    const { rebaseLocally } = await import('../../local/local-run.ts');
    return rebaseLocally({ ...local, input: asked });
  };
  return carryOut({ input, options, settings }, { run, alone, lines: rebaseLines });
}

export function rebaseLines(result: RebaseDatabaseResult): string[] {
  const { outcome, database, log, lacking, note } = result;
  if (outcome === 'not-needed')
    return [`not needed: the log of ${database} is as short as it can be, and its server's next start lacks nothing of it`];
  const facts = restoreFacts(result);
  if (facts === undefined || log === undefined) return restoreLines(result);
  const lacked =
    lacking === undefined || lacking === 0 ? undefined : `${countedText(lacking, 'segment')} of it, which the next start would have lacked`;
  return factLines([
    ['replayed at a start', `${logSizeText(log.before)} → ${result.dryRun === true ? plannedText(log.after) : logSizeText(log.after)}`],
    ['put back', lacked],
    ...(result.dryRun === true ? plannedFacts(result, facts) : facts),
    ['note', note],
  ]);
}

/** How long the baseline gets is known only once it is made. */
const plannedText = ({ sizeBytes }: LogSize): string => `${sizeText(sizeBytes)}, behind a baseline with the present state`;

/** The newest backup stands for the one that the run would make first: what has come since isn't lost, so it isn't compared with that. */
function plannedFacts({ label = '' }: RebaseDatabaseResult, facts: readonly Fact[]): Fact[] {
  const ofRestore = ['would restore', 'instances', 'in no backup', 'archive'];
  const others = facts.filter(([name]) => !ofRestore.includes(name));
  return [['planned with', `${label}, the newest backup; the rebase itself makes a new one first, and loses nothing`], ...others];
}

const logSizeText = ({ segments, sizeBytes }: LogSize): string => `${sizeText(sizeBytes)} in ${countedText(segments, 'segment')}`;
