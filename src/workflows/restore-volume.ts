import type { Place } from '../activities/catalogue/locate.ts';
import type { PlannedVolume } from '../activities/volume/restore-volume.ts';
import type { RestoreVolumeInput, RestoreVolumeResult } from '../contract/restore-volume.ts';
import type { Engine } from './engine.ts';

/**
 * Receives the dataset that a backup holds as a stream, under a name that is free, and proves it by a replay. Data in place are not touched,
 * so nobody is kept waiting and nobody has to agree.
 */
export async function restoreVolume(input: RestoreVolumeInput, engine: Engine): Promise<RestoreVolumeResult> {
  const { database, backup, repository, dataset, agent, dryRun } = input;
  engine.phase('looking for the agent', `an agent that serves ${database}`);
  const place = await (agent === undefined ? engine.places.owner(database) : engine.places.agent(agent, database));
  engine.placed(place);
  engine.phase('planning');
  const plan = await engine.steps(place).planVolume({ database, repository, backup, dataset });
  if (dryRun === true) return resultOf(engine, place, { ...plan, dryRun });
  const received = { database, repository: plan.repository, label: plan.label, dataset, dataDir: plan.dataDir };
  try {
    engine.phase(`receiving ${plan.label} as ${dataset}`);
    await engine.transfers(place).receiveVolume(received);
    engine.phase('replaying what was received');
    const { segmentsFetched } = await engine.transfers(place).checkVolume(received);
    return resultOf(engine, place, { ...plan, segmentsFetched });
  } finally {
    await engine.compensate('dropping what was received in vain', () => engine.cleanups(place).dropVolume({ dataset }));
  }
}

function resultOf(engine: Engine, { agent }: Place, facts: PlannedVolume): RestoreVolumeResult {
  const { runId, database } = engine;
  return { outcome: 'done', runId, database, warnings: [], ...facts, agent, durationMs: engine.now() - engine.startedAtMs };
}
