import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Why a contestant can't run here, in one sentence; undefined where it can. */
export function missingTool(needs: readonly { program: string; howToGet: string }[]): string | undefined {
  const missing = needs.find(({ program }) => !isOnPath(program));
  return missing === undefined ? undefined : `${missing.program} is not on PATH (${missing.howToGet})`;
}

function isOnPath(program: string): boolean {
  return (process.env['PATH'] ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
