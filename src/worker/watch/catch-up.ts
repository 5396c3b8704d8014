import type { ActivityDeps } from '../../activities/activity-deps.ts';
import type { Store } from '../../store/store.ts';
import { putClaim, putTimelines, type Timelines } from '../../store/copy/copy-history.ts';
import type { Owner } from '../../formats/repository/history.ts';

/** Gives the database's repositories what those that were away have missed. */
export type CatchUp = (database: string) => Promise<void>;

/**
 * The owner's part in keeping several repositories of one database in step: its own claim, so that each of them fences
 * the former owners, and every history, so that a backup can go into any of them. Pieces and manifests are not copied,
 * and nothing is overwritten: what differs is logged, and again as long as it lasts. Twice: nothing more to do.
 */
export function createCatchUp(deps: ActivityDeps): CatchUp {
  const settled = new Map<string, Settled>();
  const saidAtMs = new Map<string, number>();
  const say: Report = (sentence, facts) => {
    const line = JSON.stringify([sentence, facts]);
    if (performance.now() - (saidAtMs.get(line) ?? -SAID_AGAIN_MS) < SAID_AGAIN_MS) return;
    saidAtMs.set(line, performance.now());
    deps.events.record({ kind: 'repositories-apart', ...facts, sentence });
  };
  return async (database) => {
    if ((deps.config.databases[database]?.repositories.length ?? 0) < 2) return;
    const catalogue = deps.catalogueOf(database);
    const listed = await catalogue.each(({ claims, owner }) => claims.names(owner.keptMs));
    const state = JSON.stringify(listed.answers.map(({ store, found }) => [store.name, found]));
    if (listed.answers.length < 2 || isStill(settled.get(database), state)) return;
    const { owner } = await catalogue.owner.find();
    if (owner?.installationId !== deps.agent.installationId) return;
    let isInStep = true;
    const report: Report = (...said) => {
      isInStep = false;
      say(...said);
    };
    if (await putWhatLacks(deps, database, { owner, report })) settled.set(database, { state, isInStep, atMs: performance.now() });
  };
}

/** What differs is said again so often as it lasts: nobody reads a log from its beginning, and an alert of it counts for an hour. */
const SAID_AGAIN_MS = 1_800_000;

/** What the repositories had when all was given that could be. */
type Settled = { state: string; /** Whether nothing differs. */ isInStep: boolean; atMs: number };

function isStill(settled: Settled | undefined, state: string): boolean {
  if (settled?.state !== state) return false;
  return settled.isInStep || performance.now() - settled.atMs < SAID_AGAIN_MS;
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
