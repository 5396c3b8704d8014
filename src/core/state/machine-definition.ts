import { arrayElements, canonicalJson, type CanonicalJson, topLevelMembers } from '../json/canonical-json.ts';

const DEFINITION_FIELDS = ['states', 'initial', 'transitions', 'meta'];
const TRANSITION_FIELDS = ['from', 'event', 'to', 'guard'];

/**
 * A definition in the form in which GET_MACHINE returns it: `from` is always a list, absent or null `guard` and `meta`
 * and unknown keys are left out. The log keeps it as the client sent it. Undefined where the server would refuse its
 * shape; whether names and guards make sense isn't looked at, for the server logs only definitions that it accepted.
 * @see rstmdb-core 0.3.0 src/definition.rs
 */
export function normaliseDefinition(text: string): CanonicalJson | undefined {
  try {
    const fields = fieldsOf(text, DEFINITION_FIELDS);
    const transitions = arrayElements(required(fields, 'transitions')).map(normaliseTransition);
    return objectOf({
      initial: stringText(required(fields, 'initial')),
      meta: optional(fields, 'meta'),
      states: stringListText(required(fields, 'states')),
      transitions: `[${transitions.join(',')}]`,
    });
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function normaliseTransition(text: string): CanonicalJson {
  const fields = fieldsOf(text, TRANSITION_FIELDS);
  const from = required(fields, 'from');
  const guard = optional(fields, 'guard');
  return objectOf({
    event: stringText(required(fields, 'event')),
    from: from.startsWith('"') ? `[${stringText(from)}]` : stringListText(from),
    guard: guard === undefined ? undefined : stringText(guard),
    to: stringText(required(fields, 'to')),
  });
}

/** The named fields of an object, or of the list of values that serde takes for one just as well. */
function fieldsOf(text: string, names: readonly string[]): Map<string, string> {
  if (!text.trimStart().startsWith('[')) return topLevelMembers(text);
  const values = arrayElements(text);
  if (values.length > names.length) throw new SyntaxError('the list has more values than there are fields');
  return new Map(values.map((value, index) => [names[index] ?? '', value]));
}

function required(fields: ReadonlyMap<string, string>, name: string): string {
  const value = fields.get(name);
  if (value === undefined) throw new SyntaxError(`there is no '${name}'`);
  return value;
}

function optional(fields: ReadonlyMap<string, string>, name: string): string | undefined {
  const value = fields.get(name);
  return value === 'null' ? undefined : value;
}

function stringText(text: string): CanonicalJson {
  if (!text.startsWith('"')) throw new SyntaxError('this is no string');
  return canonicalJson(text);
}

function stringListText(text: string): string {
  return `[${arrayElements(text).map(stringText).join(',')}]`;
}

function objectOf(members: Record<string, string | undefined>): CanonicalJson {
  const texts = Object.entries(members).flatMap(([name, text]) => (text === undefined ? [] : [`"${name}":${text}`]));
  return canonicalJson(`{${texts.join(',')}}`);
}
