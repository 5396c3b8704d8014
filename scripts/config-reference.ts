/** Writes docs/configuration.md from the schemas of the config file. Its test asks for the same text. */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Document, isMap, visit } from 'yaml';
import { configJsonSchema, type JsonSchema } from '../src/config/config-faults.ts';

export const CONFIG_REFERENCE_FILE = fileURLToPath(new URL('../docs/configuration.md', import.meta.url));

const INTRODUCTION = `# Configuration

Each agent has one YAML file: \`--config\`, \`RSTOW_CONFIG\`, \`/etc/rstow/rstow.yaml\`, or the one that \`rstow up\` keeps in its state directory.
[examples/rstow.yaml](../examples/rstow.yaml) is a whole file. If something is wrong with yours, the command names every fault, its line and the key that
was most likely meant, and nothing is started. The agent reads the file when it starts: restart it after a change.

- Names of agents, repositories and databases are 1 to 63 of a-z, 0-9 and \`-\`.
- Durations are whole milliseconds, from 0 to 366 days; their keys end in \`Ms\`. Paths are absolute.
- Secrets stay in files that the keys name: 0640 or stricter.
- A section whose keys all have defaults may be left out. The smallest file is:`;

const MADE_OF = 'This page is made from the schemas in `src/config`, by `node scripts/config-reference.ts`.';

/** The page's whole text. */
export function configReference(): string {
  const sections = Object.entries(configJsonSchema().properties ?? {}).flatMap(([key, schema]) => sectionBlocks(key, schema));
  return `${[INTRODUCTION, smallestFile(), MADE_OF, ...sections].join('\n\n')}\n`;
}

/** The sections that the schema requires, each with its first sample. */
function smallestFile(): string {
  const { properties = {}, required = [] } = configJsonSchema();
  return yamlBlock(
    Object.fromEntries(required.map((key) => [key, { [nameIn(key)]: sampleOf(properties[key]?.additionalProperties as JsonSchema) }])),
  );
}

const sampleOf = ({ sample, oneOf }: JsonSchema): object | undefined => sample ?? oneOf?.[0]?.sample;

/** The blocks of a section and of those within it. `path` is as a person writes it, such as `databases.<name>.server`. */
function sectionBlocks(path: string, schema: JsonSchema): string[] {
  const { additionalProperties: named, oneOf, description = '' } = schema;
  if (typeof named === 'object' && isSection(named)) return sectionBlocks(`${path}.${placeholderOf(schema)}`, named);
  const head = [`## \`${path}\``, description];
  const body = oneOf?.flatMap((shape) => [`### \`kind: ${kindOf(shape)}\``, ...bodyBlocks(path, shape)]) ?? bodyBlocks(path, schema);
  // What several shapes have is the same in each.
  const members = new Map((oneOf ?? [schema]).flatMap(({ properties = {} }) => Object.entries(properties)));
  const inner = [...members].filter(([, member]) => isSection(member));
  return [...head, ...body, ...inner.flatMap(([key, member]) => sectionBlocks(`${path}.${key}`, member))];
}

function bodyBlocks(path: string, schema: JsonSchema): string[] {
  const { properties, additionalProperties, required = [], sample } = schema;
  const members = properties ?? { '<name>': additionalProperties as JsonSchema };
  const rows = Object.entries(members).map(([key, member]) => keyRow(`${path}.${key}`, member, required.includes(key)));
  return [['| key | value | default | meaning |', '|---|---|---|---|', ...rows].join('\n'), ...sampleBlocks(path, sample)];
}

function keyRow(path: string, schema: JsonSchema, isRequired: boolean): string {
  const key = path.split('.').at(-1) ?? '';
  const start = isRequired ? '**required**' : '';
  if (isSection(schema)) {
    const { additionalProperties: named } = schema;
    const title = typeof named === 'object' && isSection(named) ? `${path}.${placeholderOf(schema)}` : path;
    return `| \`${key}\` | a section | ${start || defaultText(schema)} | [\`${title}\`](#${anchorOf(title)}) |`;
  }
  return `| \`${key}\` | ${valueText(schema)} | ${start || defaultText(schema)} | ${schema.description ?? ''} |`;
}

/** Unit and range. */
function valueText({ unit, enum: choices, const: only, type, minimum, maximum, maxItems }: JsonSchema): string {
  if (choices !== undefined) return choices.map((choice) => `\`${choice}\``).join(', ');
  if (typeof only === 'string') return `\`${only}\``;
  if (unit === 'ms') return 'ms';
  const isBounded = type === 'integer' && minimum !== undefined;
  const range = isBounded ? rangeText(minimum, maximum) : maxItems === undefined ? '' : `at most ${maxItems}`;
  return [unit ?? TYPE_WORDS[type ?? ''] ?? '', range].filter((part) => part !== '').join(', ');
}

const TYPE_WORDS: Record<string, string> = { string: 'text', boolean: '`true`, `false`' };

function rangeText(minimum: number, maximum: number | undefined): string {
  return maximum === undefined || maximum === Number.MAX_SAFE_INTEGER ? `at least ${minimum}` : `${minimum} to ${maximum}`;
}

function defaultText({ default: value, unit }: JsonSchema): string {
  if (value === undefined) return '';
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return objectText(value);
  if (unit === 'ms' && typeof value === 'number') return `\`${value}\`${durationText(value)}`;
  return `\`${typeof value === 'string' ? value : JSON.stringify(value)}\``;
}

/** `kind: none`; nothing for a section of defaults. */
function objectText(value: object): string {
  const [pair] = Object.entries(value);
  return pair === undefined ? '' : `\`${pair[0]}: ${String(pair[1])}\``;
}

const UNITS = Object.entries({ day: 24 * 3600 * 1000, hour: 3_600_000, minute: 60_000, second: 1000 });

/** ` (2 minutes)`: in the largest unit that divides it; nothing if none does. */
function durationText(durationMs: number): string {
  const found = UNITS.find(([, oneMs]) => durationMs % oneMs === 0);
  if (found === undefined) return '';
  const [unit, unitMs] = found;
  const count = durationMs / unitMs;
  return ` (${count} ${unit}${count === 1 ? '' : 's'})`;
}

/** The section where it stands in the file. */
function sampleBlocks(path: string, sample: object | undefined): string[] {
  if (sample === undefined) return [];
  const whole = path
    .split('.')
    .reduceRight<object>((inner, key) => ({ [key === '<name>' ? nameIn(path) : key === '<type>' ? 'hotBackup' : key]: inner }), sample);
  return [yamlBlock(whole)];
}

/** Lists and environments in one line. */
function yamlBlock(value: object): string {
  const document = new Document(value);
  visit(document, {
    Seq: (_key, list) => {
      list.flow = true;
    },
    Pair: (_key, { key, value: member }) => {
      if (isMap(member) && String(key) === 'env') member.flow = true;
    },
  });
  return `\`\`\`yaml\n${document.toString({ lineWidth: 0, flowCollectionPadding: false })}\`\`\``;
}

/** Of a section's key that whoever writes the file chooses: a name, or one of a few types. */
const placeholderOf = ({ propertyNames }: JsonSchema): string => (propertyNames?.enum === undefined ? '<name>' : '<type>');

const nameIn = (path: string): string => (path.startsWith('databases') ? 'orders' : 'local');

function isSection({ properties, oneOf, additionalProperties, unit }: JsonSchema): boolean {
  return properties !== undefined || oneOf !== undefined || (typeof additionalProperties === 'object' && unit === undefined);
}

const kindOf = ({ properties }: JsonSchema): string => String(properties?.['kind']?.const);

/** As GitHub makes it of a heading. */
function anchorOf(title: string): string {
  return title
    .toLowerCase()
    .replaceAll(/[^\w -]/g, '')
    .replaceAll(' ', '-');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(CONFIG_REFERENCE_FILE, configReference());
