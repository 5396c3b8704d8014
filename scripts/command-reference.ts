/** Writes docs/commands.md from the commands themselves. Its test asks for the same text. */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Command, Option } from 'commander';
import { COMMAND_GROUPS } from '../src/cli/command-list.ts';
import { createProgram } from '../src/cli/program.ts';

export const COMMAND_REFERENCE_FILE = fileURLToPath(new URL('../docs/commands.md', import.meta.url));

const INTRODUCTION = `# Commands

\`rstow --help\` lists the commands, \`rstow <command> --help\` the options of one. Each run that a command starts can be started by Temporal's own CLI, its
UI, a schedule or another service as well: [workflows](workflows.md) says with what input. [The tour](tour.md) shows what the commands print, and the
[README](../README.md#exit-codes) has the exit codes. This page is made from \`src/cli\`, by \`npm run docs\`.`;

/** An option that so many commands have with the same meaning is explained once. */
const SHARED_MIN = 5;

/** The page's whole text. */
export function commandReference(): string {
  const settings = { configFile: undefined, stateDir: '/var/lib/rstow', workflowBundlePath: undefined, searchPath: '', isNotifying: false };
  const { commands } = createProgram({ settings, exit: () => undefined, resultLines: () => undefined });
  const shared = sharedOptions(commands.flatMap(leavesOf));
  const groups = COMMAND_GROUPS.flatMap(({ title, commands: members }) => {
    const rows = members.map(({ name }) => commands.find((command) => command.name() === name)).filter((command) => command !== undefined);
    return [`## ${title}`, ...rows.flatMap(leavesOf).flatMap((command) => commandBlocks(command, shared))];
  });
  return `${[INTRODUCTION, '## Options of several commands', optionTable([...shared.values()]), ...groups].join('\n\n')}\n`;
}

/** The command itself, or those that it is made of. */
const leavesOf = (command: Command): readonly Command[] => (command.commands.length === 0 ? [command] : command.commands);

/** `schedule apply` of a command that is one of several. */
function nameOf({ parent, name }: { parent: Command | null; name: string }): string {
  return parent?.parent === null || parent === null ? name : `${parent.name()} ${name}`;
}

type OptionsByKey = ReadonlyMap<string, Option>;

const keyOf = ({ flags, description, mandatory }: Option): string => `${flags} ${mandatory} ${description}`;

function sharedOptions(commands: readonly Command[]): OptionsByKey {
  const all = commands.flatMap(({ options }) => options);
  return new Map(all.filter((option) => countOf(all, option) >= SHARED_MIN).map((option) => [keyOf(option), option]));
}

function countOf(options: readonly Option[], option: Option): number {
  return options.filter((other) => keyOf(other) === keyOf(option)).length;
}

function commandBlocks(command: Command, shared: OptionsByKey): string[] {
  const words = command.registeredArguments.map((argument) => (argument.required ? `<${argument.name()}>` : `[${argument.name()}]`));
  const own = command.options.filter((option) => !shared.has(keyOf(option)));
  const others = command.options.filter((option) => shared.has(keyOf(option))).map(({ long }) => `\`${long ?? ''}\``);
  const head = `### \`${['rstow', nameOf({ parent: command.parent, name: command.name() }), ...words].join(' ')}\``;
  const tail = others.length === 0 ? [] : [`${own.length === 0 ? 'Options' : 'Also'}: ${others.join(', ')}.`];
  return [head, sentence(command.description()), ...(own.length === 0 ? [] : [optionTable(own)]), ...tail];
}

function optionTable(options: readonly Option[]): string {
  return ['| option | |', '|---|---|', ...options.map(optionRow)].join('\n');
}

function optionRow({ flags, description, mandatory, envVar, defaultValue, argChoices }: Option): string {
  const isShown = typeof defaultValue === 'string' || typeof defaultValue === 'number';
  const facts = [
    mandatory ? 'required' : '',
    argChoices === undefined ? '' : `one of ${argChoices.join(', ')}`,
    isShown ? `default: \`${defaultValue}\`` : '',
    envVar === undefined ? '' : `else \`${envVar}\``,
  ].filter((fact) => fact !== '');
  return `| \`${flags}\` | ${description}${facts.length === 0 ? '' : ` (${facts.join('; ')})`} |`;
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(COMMAND_REFERENCE_FILE, commandReference());
