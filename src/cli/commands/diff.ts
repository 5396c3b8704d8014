import { recoveryTargetField, timelineField } from '../../contract/recovery-target.ts';
import { RstowError } from '../../core/errors/rstow-error.ts';
import type { Named } from '../../core/recovery/state-difference.ts';
import type { ComparedPoint, DiffPoint, PointDifference } from '../../local/read-history.ts';
import type { CliCommand } from '../command.ts';
import { namedText } from '../log-text.ts';
import { addJsonOption, CONFIG_OPTION_HELP } from '../options.ts';
import { createOutput, type Fact, factLines } from '../output.ts';

type DiffOptions = { repository?: string; timeline?: string; config?: string; json?: boolean };

const POINT_HELP =
  'now (the data in place on this host), latest, a backup’s label, offset:NUMBER, sequence:NUMBER, time:TIME, name:MARK, or before:INSTANCE or after:INSTANCE (its last record)';

export const diffCommand: CliCommand = {
  name: 'diff',
  description: 'show what differs between two points of a history',
  define: (command, { exit, settings }) => {
    addJsonOption(command)
      .argument('<database>', 'its name in this host’s config file')
      .argument('<before>', POINT_HELP)
      .argument('<after>', 'the same')
      .option('--repository <name>', 'a repository of the database (default: the primary)')
      .option('--timeline <id>', 'a history that was left (default: the one in use)')
      .option('--config <file>', `the agent’s; ${CONFIG_OPTION_HELP}`)
      .action(async (...[database, before, after, options]: [string, string, string, DiffOptions]) => {
        await showDifference({ database, before, after }, options, settings.configFile);
        exit(0);
      });
  },
};

type Asked = { database: string; before: string; after: string };

async function showDifference({ database, before, after }: Asked, options: DiffOptions, configFile: string | undefined): Promise<void> {
  const { repository, config = configFile, json } = options;
  const timeline = options.timeline === undefined ? undefined : timelineField(options.timeline, 'timeline');
  const points = { before: diffPoint(before), after: diffPoint(after) };
  const { diffPoints } = await import('../../local/read-history.ts');
  const difference = await diffPoints({ configFile: config, database, repository, timeline, ...points });
  createOutput(json === true).result(differenceLines(difference), { database, ...difference });
}

/** Fails: invalid-input. */
export function diffPoint(text: string): DiffPoint {
  if (text === 'now') return { kind: 'now' };
  if (text === 'latest') return { kind: 'point', target: { latest: true } };
  const [, kind = '', value = ''] = /^([a-z]+):(.+)$/s.exec(text) ?? [];
  if (!text.includes(':')) return { kind: 'backup', label: text };
  return { kind: 'point', target: recoveryTarget({ [kind]: valueOf(kind, value) }, text) };
}

function valueOf(kind: string, value: string): unknown {
  if (kind === 'before' || kind === 'after') return { instance: value };
  return kind === 'sequence' && /^[0-9]+$/.test(value) ? Number(value) : value;
}

const KINDS = ['offset', 'sequence', 'time', 'name', 'before', 'after'];

function recoveryTarget(target: Record<string, unknown>, text: string): Extract<DiffPoint, { kind: 'point' }>['target'] {
  const [kind = ''] = Object.keys(target);
  if (!KINDS.includes(kind)) throw new RstowError('invalid-input', `"${text}" is no point: it must be ${POINT_HELP}`);
  try {
    return recoveryTargetField(target, 'target');
  } catch (error) {
    if (!(error instanceof RstowError)) throw error;
    throw new RstowError('invalid-input', error.message.replace(/^field "[^"]*"/, `the point "${text}"`), { cause: error });
  }
}

function differenceLines(difference: PointDifference): string[] {
  const { before, after, instancesCreated, instancesChanged, instancesDeleted } = difference;
  return factLines([
    ['from', pointText(before)],
    ['to', pointText(after)],
    ['created', namedText(instancesCreated, 'instance')],
    ['changed', namedText(instancesChanged, 'instance')],
    ['deleted', namedText(instancesDeleted, 'instance')],
    machineFact('machines added', difference.machinesAdded),
    machineFact('machines changed', difference.machinesChanged),
    machineFact('machines removed', difference.machinesRemoved),
  ]);
}

function pointText({ timeline, end, label }: ComparedPoint): string {
  return `offset ${end} of timeline ${timeline}, ${label === undefined ? 'in place' : `stored by ${label}`}`;
}

/** Machines change rarely: what didn't is not worth a line. */
function machineFact(name: string, machines: Named): Fact {
  return [name, machines.count === 0 ? undefined : namedText(machines, 'version')];
}
