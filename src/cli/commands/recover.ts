import { type DisasterRecoveryResult, parseDisasterRecoveryInput } from '../../contract/disaster-recovery.ts';
import type { CliCommand, RunKind } from '../command.ts';
import type { RunOptions } from '../execute-run.ts';
import { countedText, countText, durationText, logText, timeText, whenText } from '../figures.ts';
import { addKeyOption, addRunOptions, commonInput, execute, type InputOptions, type KeyOptions, operatorKey } from '../options.ts';
import { type Fact, factLines } from '../output.ts';

const DISASTER_RECOVERY: RunKind<'disasterRecovery'> = {
  type: 'disasterRecovery',
  isQuery: false,
  isShared: true,
  resultLines: disasterLines,
};

type RecoverOptions = RunOptions & InputOptions & KeyOptions & { agent?: string; target?: string; force?: boolean; discardNewer?: boolean };

export const recoverCommand: CliCommand = {
  name: 'recover',
  description: 'bring a lost database back on a host that can run it',
  runs: [DISASTER_RECOVERY],
  define: (command, { settings, exit }) => {
    addKeyOption(addRunOptions(command))
      .option('--agent <agent>', 'that host’s agent (default: one that stands by, else the owner)')
      .option('--target <label>', 'recover no state newer than this backup: a label or its first characters')
      .option('--force', 'even if the database is up and as new as its backups')
      .option('--discard-newer', 'even if that discards data that no backup holds')
      .action(async (database: string, options: RecoverOptions) => {
        const { agent, target, force, discardNewer } = options;
        const input = parseDisasterRecoveryInput([{ ...commonInput(database, options), agent, target, force, discardNewer }]);
        const key = await operatorKey(options, settings);
        exit(await execute({ ...DISASTER_RECOVERY, input, key }, options));
      });
  },
};

function disasterLines(result: DisasterRecoveryResult): string[] {
  const { label, extents, lost, found } = result;
  if (found !== undefined) return restartedLines(result, found);
  if (label === undefined || extents === undefined) return [`${result.outcome}: ${result.warnings[0]?.message ?? 'nothing was recovered'}`];
  const facts: Fact[] = [
    ['recovered', `${label} from ${result.repository ?? ''}`],
    ['', archivedText(result)],
    ['to', `${result.dataDir ?? ''} on ${result.agent ?? ''}, the owner now (generation ${result.generation ?? 0})`],
    ['log', logText(extents)],
    ['state digest', result.stateDigest ?? ''],
    ...lossFacts(lost),
    ...(result.skipped ?? []).map(({ label: skipped, repository, reason }): Fact => ['skipped', `${skipped} in ${repository}: ${reason}`]),
    ['recovery time', durationText(result.rtoMs ?? 0)],
    ['first backup', result.firstBackup?.label ?? 'none'],
  ];
  return factLines(facts);
}

function archivedText({ archivedUntilMs }: DisasterRecoveryResult): string | undefined {
  return archivedUntilMs === undefined ? undefined : `and what the archive had seen by ${timeText(archivedUntilMs)}`;
}

/** The data were whole: nothing was recovered from a backup, and nothing is lost. */
function restartedLines(result: DisasterRecoveryResult, { agent, data }: NonNullable<DisasterRecoveryResult['found']>): string[] {
  const since = data.backup === null ? 'no backup yet' : `beyond ${data.backup}`;
  return factLines([
    ['restarted', `the server on ${data.dataDir} of ${agent}: its data are whole`],
    ['lost', 'nothing'],
    ['holds', `${countedText(data.records, 'record')}, ${countText(data.unsavedRecords)} of them ${since}`],
    ['instances', data.instances === null ? 'unknown' : countText(data.instances)],
    ['last write', whenText(data.lastWriteAtMs)],
    ['backed up', result.firstBackup?.label ?? data.backup ?? 'not yet'],
    ['recovery time', durationText(result.rtoMs ?? 0)],
  ]);
}

function lossFacts(lost: DisasterRecoveryResult['lost']): Fact[] {
  if (lost === undefined) return [['lost', 'unknown']];
  const { knownRecords, discarded, unseen } = lost;
  const span: Fact = ['lost', `what was written between ${timeText(lost.sinceMs)} and ${timeText(lost.untilMs)}`];
  return [
    span,
    ['', knownRecords === 0 ? undefined : `${countedText(knownRecords, 'record')} of newer backups`],
    ...discarded.map(({ agent, data }): Fact => [
      '',
      `${countedText(data.unsavedRecords, 'record')} on ${agent}, last written ${whenText(data.lastWriteAtMs)}`,
    ]),
    ['', unseen === undefined ? undefined : `how many is unknown: ${unseen}`],
  ];
}
