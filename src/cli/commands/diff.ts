import { recoveryTargetField } from '../../contract/recovery-target.ts';
import type { StateDifference } from '../../core/recovery/state-difference.ts';
import type { DiffPoint } from '../../local/read-history.ts';
import type { CliCommand } from '../command.ts';
import { namedText } from '../log-text.ts';
import { addJsonOption, CONFIG_OPTION_HELP } from '../options.ts';
import { createOutput, factLines } from '../output.ts';

type DiffOptions = { repository?: string; timeline?: string; config?: string; json?: boolean };

const POINT_HELP = '"now" (the data in place on this host), "latest", a label, or offset:, sequence:, time: or name: with its value';

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
  const { repository, timeline, config = configFile, json } = options;
  const points = { before: diffPoint(before), after: diffPoint(after) };
  const { diffPoints } = await import('../../local/read-history.ts');
  const difference = await diffPoints({ configFile: config, database, repository, timeline, ...points });
  createOutput(json === true).result(differenceLines(difference), difference);
}

/** Fails: invalid-input. */
export function diffPoint(text: string): DiffPoint {
  if (text === 'now') return { kind: 'now' };
  if (text === 'latest') return { kind: 'point', target: { latest: true } };
  const [, kind = '', value = ''] = /^(offset|sequence|time|name):(.+)$/.exec(text) ?? [];
  if (kind === '') return { kind: 'backup', label: text };
  const target = { [kind]: kind === 'sequence' && /^[0-9]+$/.test(value) ? Number(value) : value };
  return { kind: 'point', target: recoveryTargetField(target, 'target') };
}

function differenceLines({
  instancesCreated,
  instancesChanged,
  instancesDeleted,
  machinesAdded,
  machinesRemoved,
}: StateDifference): string[] {
  return factLines([
    ['created', namedText(instancesCreated, 'instance')],
    ['changed', namedText(instancesChanged, 'instance')],
    ['deleted', namedText(instancesDeleted, 'instance')],
    ['machines added', namedText(machinesAdded, 'machine')],
    ['removed', namedText(machinesRemoved, 'machine')],
  ]);
}
