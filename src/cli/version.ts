import { readFileSync } from 'node:fs';

/** Of this file in the sources and in a build alike. */
const PACKAGE_FILE = new URL('../../package.json', import.meta.url);

/** rstow's own, such as `0.1.0`. */
export function version(): string {
  return (JSON.parse(readFileSync(PACKAGE_FILE, 'utf8')) as { version: string }).version;
}
