import { z } from 'zod';
import { NAME_PATTERN } from '../contract/input-field.ts';

/**
 * The values that keys hold. `.describe` says what a key is for; `unit` and `examples` are read by the reference page and by
 * whoever names a fault.
 */
export const name = z.string().regex(NAME_PATTERN, 'must be 1 to 63 of a-z, 0-9 and -');

export const absolutePath = z.string().startsWith('/', 'must be an absolute path').meta({ unit: 'an absolute path' });

const PORT_MAX = 65_535;

export const port = z.int().min(1).max(PORT_MAX);

export const address = z
  .string()
  .regex(/^(\[[0-9a-fA-F:]+\]|[^:\s]+):[0-9]{1,5}$/, { error: 'must look like host:port', abort: true })
  .refine((text) => isPort(Number(text.slice(text.lastIndexOf(':') + 1))), `must have a port from 1 to ${PORT_MAX}`)
  .meta({ unit: '`host:port`', examples: ['127.0.0.1:7401'] });

export const durationMs = z
  .int()
  .min(0)
  .max(366 * 24 * 3600 * 1000)
  .meta({ unit: 'ms' });

export const command = z
  .array(z.string().min(1))
  .min(1)
  .meta({ unit: 'a program and its arguments', examples: [['/usr/local/bin/rstmdb']] });

export const environment = z
  .record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'must be letters, digits and _'), z.string())
  .meta({ unit: 'names and values' });

function isPort(number: number): boolean {
  return number >= 1 && number <= PORT_MAX;
}
