import { RstowError } from '../core/errors/rstow-error.ts';
import { runCommand } from '../io/process/run-command.ts';

const TIMEOUT_MS = 20_000;

/** `1.9.1`. Fails: temporal-cli-unsuitable. */
export async function installedCliVersion(): Promise<string> {
  const said = await runCommand(['temporal', '--version'], { timeoutMs: TIMEOUT_MS }).catch((cause: unknown) => {
    const isMissing = cause instanceof RstowError && (cause.cause as NodeJS.ErrnoException | undefined)?.code === 'ENOENT';
    const sentence = `the program \`temporal\` ${isMissing ? 'is not on PATH' : 'can not be run'}`;
    throw new RstowError('temporal-cli-unsuitable', sentence, { cause });
  });
  const version = /^temporal version ([0-9]+\.[0-9]+\.[0-9]+)/.exec(said.stdout)?.[1];
  if (version === undefined) throw new RstowError('temporal-cli-unsuitable', '`temporal --version` prints no version');
  return version;
}

/** Below zero where the first is older, zero where they are the same. */
export function compareVersions(one: string, other: string): number {
  const [left, right] = [one, other].map((version) => version.split('.').map(Number));
  const differing = left?.findIndex((part, index) => part !== right?.[index]) ?? -1;
  return differing === -1 ? 0 : (left?.[differing] ?? 0) - (right?.[differing] ?? 0);
}
