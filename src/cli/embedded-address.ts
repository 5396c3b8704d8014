import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Where a Temporal server of `rstow up` was started last, and its UI. */
export type EmbeddedPlace = { address: string; ui: string };

/** Of the `rstow up` with this state directory; undefined where none is known to this user. */
export async function embeddedPlace(stateDir: string): Promise<EmbeddedPlace | undefined> {
  try {
    const { port, uiPort } = JSON.parse(await readFile(join(stateDir, 'temporal', 'server.json'), 'utf8')) as Record<string, unknown>;
    if (typeof port !== 'number' || typeof uiPort !== 'number') return undefined;
    return { address: `127.0.0.1:${port}`, ui: `http://127.0.0.1:${uiPort}` };
  } catch {
    return undefined;
  }
}
