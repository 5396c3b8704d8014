import { stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { AgentConfig } from '../../config/agent-config.ts';
import { type TargetRules, requireTargetAllowed } from '../../io/data-directory/restore-target.ts';

/** Where copies of data are usually put, and nothing that the system reads. */
const SCRATCH_ROOT = '/var/tmp';

/** Whether this agent may restore into that folder. Fails: target-not-allowed. */
export async function requireTarget(config: AgentConfig, target: string): Promise<void> {
  await requireTargetAllowed(target, await targetRules(config));
}

async function targetRules({ agent, databases, repositories }: AgentConfig): Promise<TargetRules> {
  const dataDirs = Object.values(databases).map(({ dataDir }) => dataDir);
  const beside = dataDirs.map((dataDir) => dirname(dataDir)).filter((folder) => folder !== '/');
  return {
    roots: agent.restoreRoots ?? [...new Set([...beside, SCRATCH_ROOT])],
    taken: [...dataDirs, ...Object.values(repositories).map(({ path }) => path), agent.stateDir],
    trustedUids: [0, process.getuid?.() ?? 0, ...(await ownersOf(dataDirs))],
  };
}

/** Whoever owns a database's data can change them anyhow. */
async function ownersOf(dataDirs: readonly string[]): Promise<number[]> {
  const owners = await Promise.all(
    dataDirs.map((dataDir) =>
      stat(dataDir).then(
        ({ uid }) => uid,
        () => undefined,
      ),
    ),
  );
  return owners.filter((uid) => uid !== undefined);
}
