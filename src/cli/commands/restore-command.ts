import type { Command } from 'commander';
import { parseRestoreInput, type RestoreInput, type RestoreResult } from '../../contract/restore.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import type { RunOptions } from '../execute-run.ts';
import { confirmReplacement } from '../confirm-replacement.ts';
import { createLocalWatcher } from '../local-watcher.ts';
import { addKeyOption, type KeyOptions, operatorKey } from '../operator-key.ts';
import { createOutput } from '../output.ts';
import { restoreLines } from '../results/restore-result.ts';
import { tellResult } from '../tell-result.ts';
import type { HostSettings } from './host-commands.ts';
import { execute, type InputOptions, type OnExitCode, recordOf, runCommand } from './run-command.ts';

type RestoreOptions = {
  backup: string;
  toDir?: string;
  toAgent?: string;
  dryRun?: boolean;
  withoutTemporal?: boolean;
  yes?: boolean;
  discardNewer?: boolean;
  config?: string;
};

export function addRestoreCommand(program: Command, settings: HostSettings, exit: OnExitCode): void {
  addKeyOption(runCommand(program, 'restore', 'restore a backup, in place or elsewhere'))
    .option('--backup <label>', '"latest", or a label or its first characters', 'latest')
    .option('--to-dir <dir>', 'restore into this directory instead of in place')
    .option('--to-agent <agent>', 'the agent of the host that has --to-dir')
    .option('--dry-run', 'only make and show the plan')
    .option('--yes', 'in place: do not ask for the name of the database')
    .option('--discard-newer', 'in place: go on if newer data cannot be stored first')
    .option('--without-temporal', 'restore on this host, by this process, if there is no Temporal')
    .option('--config <file>', 'with --without-temporal: the agent’s; default: RSTOW_CONFIG, /etc/rstow/rstow.yaml, or that of `rstow up`')
    .action(async (database: string, options: RunOptions & InputOptions & KeyOptions & RestoreOptions) => {
      const { backup, toDir, toAgent, dryRun, discardNewer, withoutTemporal, config = settings.configFile } = options;
      if (toAgent !== undefined && toDir === undefined) {
        throw new RstowError('invalid-input', '--to-agent needs --to-dir, the directory on that agent’s host to restore into');
      }
      const to = toDir === undefined && toAgent === undefined ? undefined : { dataDir: toDir, agent: toAgent };
      const input = parseRestoreInput([{ database, backup, to, dryRun, discardNewer, ...recordOf(options) }]);
      const isJson = options.json === true;
      const restore = async (asked: RestoreInput): Promise<number> => {
        if (withoutTemporal === true) return restoreWithoutTemporal(asked, { configFile: config, isJson });
        const key = replacesData(asked) ? await operatorKey(options, settings) : undefined;
        return execute({ type: 'restore', input: asked, isQuery: false, key, resultLines: restoreLines }, options);
      };
      if (withoutTemporal === true && (toAgent !== undefined || options.wait === false)) {
        throw new RstowError(
          'invalid-input',
          '--without-temporal restores on this host and in this process, so it takes neither --to-agent nor --no-wait',
        );
      }
      if (replacesData(input) && options.yes !== true) {
        await confirmReplacement({ database, isJson, showPlan: () => restore({ ...input, dryRun: true }) });
      }
      exit(await restore(input));
    });
}

const replacesData = ({ to, dryRun }: RestoreInput): boolean => to === undefined && dryRun !== true;

type Place = { configFile: string | undefined; isJson: boolean };

async function restoreWithoutTemporal(input: RestoreInput, { configFile, isJson }: Place): Promise<number> {
  const output = createOutput(isJson);
  const { restoreLocally } = await import('../../local/local-run.ts');
  if (input.to === undefined && input.dryRun !== true) output.note(alone(input.database));
  const result: RestoreResult = await restoreLocally({ configFile, input, watcher: createLocalWatcher(output) });
  return tellResult(output, restoreLines, result);
}

function alone(database: string): string {
  return `warning: without Temporal, rstow can't see whether another run is at work on "${database}"; make sure that none is`;
}
