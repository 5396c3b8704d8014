import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Where the Temporal server of the `rstow up` with this state directory was started last; undefined where none is known to this user. */
export async function embeddedAddress(stateDir: string): Promise<string | undefined> {
  try {
    const { port } = JSON.parse(await readFile(join(stateDir, 'temporal', 'server.json'), 'utf8')) as { port?: unknown };
    return typeof port === 'number' ? `127.0.0.1:${port}` : undefined;
  } catch {
    return undefined;
  }
}
