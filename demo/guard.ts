import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

/** In the environment of everything that the demo starts, and of all that those start: its folder. */
export const DEMO_MARK = 'RSTOW_DEMO_FOLDER';

export type DemoGuard = { close(): Promise<void> };

/**
 * A process that outlives the demo, however that ends: then it kills whatever bears the mark and removes the folder.
 * It notices by the pipe that we hold, which the kernel closes even for SIGKILL.
 */
export function startDemoGuard(folder: string): DemoGuard {
  const main = fileURLToPath(new URL('./guard-main.ts', import.meta.url));
  const guard = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', main, folder], {
    stdio: ['pipe', 'ignore', 'inherit'],
    detached: true,
  });
  guard.unref();
  return {
    close: async () => {
      guard.ref();
      const ended = once(guard, 'exit');
      guard.stdin.end();
      await ended;
    },
  };
}
