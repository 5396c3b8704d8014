import type { ActivityDeps } from '../../activities/activity-deps.ts';
import type { Store } from '../../store/store.ts';
import { putClaim, putTimelines, type Timelines } from '../../store/copy/copy-history.ts';
import type { Owner } from '../../formats/repository/history.ts';

/** Gives the database's repositories what those that were away have missed. */
export type CatchUp = (database: string) => Promise<void>;

/**
 * The owner's part in keeping several repositories of one database in step: its own claim, so that each of them fences
 * the former owners, and every history, so that a backup can go into any of them. Pieces and manifests are not copied,
 * and nothing is overwritten: what differs is logged, once. Twice: nothing more to do.
 */
export function createCatchUp(deps: ActivityDeps): CatchUp {
  const settled = new Map<string, string>();
  const reported = new Set<string>();
  const report: Report = (sentence, facts) => {
    const line = JSON.stringify([sentence, facts]);
    if (!reported.has(line)) deps.events.record({ kind: 'repositories-apart', ...facts, sentence });
    reported.add(line);
  };
  return async (database) => {
    if ((deps.config.databases[database]?.repositories.length ?? 0) < 2) return;
    const catalogue = deps.catalogueOf(database);
    const listed = await catalogue.each(({ claims, owner }) => claims.names(owner.keptMs));
    const state = JSON.stringify(listed.answers.map(({ store, found }) => [store.name, found]));
    if (listed.answers.length < 2 || settled.get(database) === state) return;
    const { owner } = await catalogue.owner.find();
    if (owner?.installationId !== deps.agent.installationId) return;
    if (await putWhatLacks(deps, database, { owner, report })) settled.set(database, state);
  };
}

type Report = (sentence: string, facts: { code: string; database: string; repository: string; [fact: string]: unknown }) => void;

const CLAIM_TAKEN = 'the repository holds another installation’s claim of the owner’s generation, which is left as it is';
const HISTORY_DIFFERS = 'the repository holds another history under the timeline’s id, or one begun from it, which is left as it is';

type Source = { name: string; found: Timelines };
type Target = { store: Store; timelines: Timelines; report: Report };

/** Whether all that can be given was. */
async function putWhatLacks(deps: ActivityDeps, database: string, of: { owner: Owner; report: Report }): Promise<boolean> {
  const { owner, report } = of;
  const catalogue = deps.catalogueOf(database);
  const read = await catalogue.each(({ timelines }) => timelines.all());
  const put = await catalogue.each(async (store) => {
    const { name } = store;
    const timelines = read.answers.find((answer) => answer.store.name === name)?.found;
    if (timelines === undefined) return;
    for (const source of read.answers) await giveHistories({ store, timelines, report }, { name: source.store.name, found: source.found });
    if (!(await putClaim(store, owner))) {
      report(CLAIM_TAKEN, { code: 'owner-outdated', database, repository: name, generation: owner.generation });
    }
  });
  for (const { name, error } of put.failures) {
    if (error.code !== 'repository-unavailable')
      report(`the repository can’t be kept in step: ${error.message}`, { code: error.code, database, repository: name });
  }
  return read.failures.length + put.failures.length === 0;
}

async function giveHistories({ store, timelines, report }: Target, source: Source): Promise<void> {
  for (const timeline of await putTimelines(store, timelines, source.found)) {
    report(HISTORY_DIFFERS, {
      code: 'timeline-diverged',
      database: store.database,
      repository: store.name,
      timeline,
      otherThanIn: source.name,
    });
  }
}
