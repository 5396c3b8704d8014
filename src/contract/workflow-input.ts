import { RstowError } from '../core/errors/rstow-error.ts';
import { type Fields, nameField, objectField, optional, type Parsed, textField } from './input-field.ts';

/** Fields that every workflow takes. */
export const commonFields = {
  /** The database, as the agents' config files name it. */
  database: nameField,
  /** Who asked: a name for the record, not an access control. */
  requestedBy: optional(textField(200)),
  /** Why: for the record. */
  reason: optional(textField(1000)),
  /** A repository of the database; the primary where absent. */
  repository: optional(nameField),
};

/**
 * The parser of one workflow type. It takes the workflow's whole argument list, for a start from the
 * UI may have none or two. Fails: invalid-input, with one sentence that names the field.
 */
export function inputParser<F extends Fields>(type: string, fields: F): (args: readonly unknown[]) => Parsed<F> {
  return (args) => {
    if (args.length !== 1 || args[0] === undefined || args[0] === null) {
      throw new RstowError('invalid-input', `${type} takes one JSON object, such as {"database": "orders"}`, {
        details: { arguments: args.length },
      });
    }
    return objectField(fields)(args[0], '');
  };
}
