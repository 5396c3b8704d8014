import type { DataSet, SizeName } from '../generator/data-set.ts';
import type { Costs } from '../measure/cost.ts';
import type { BenchPart } from '../bench-options.ts';
import { historyRound } from './history-round.ts';
import { missingTool } from './missing-tools.ts';
import { pipelineRound } from './pipeline-round.ts';
import { shellContestants } from './shell-contestants.ts';
import { shellRound } from './shell-round.ts';
import { workflowRound } from './workflow-round.ts';

export type Contestant = {
  name: string;
  round: (data: DataSet, parentDir: string) => Promise<Costs>;
  /** A server replays its log into gigabytes at each start: one round says enough of a big one. */
  once: boolean;
  /** Why it can't run here. */
  unavailable: string | undefined;
};

type Wanted = { sizeName: SizeName; only: BenchPart | undefined; withWorkflow: boolean };

/** The first one is what the others are compared with. */
export function allContestants({ only, ...wanted }: Wanted): Contestant[] {
  const history = { name: 'rstow, log and diff', round: historyRound, once: false, unavailable: missingTool([GNU_TIME]) };
  if (only === 'history') return [history];
  return only === 'backups' ? backupContestants(wanted) : [...backupContestants(wanted), history];
}

const GNU_TIME = { program: 'time', howToGet: 'apt-get install time' };

function backupContestants({ sizeName, withWorkflow }: Omit<Wanted, 'only'>): Contestant[] {
  const servers = ['rstmdb', 'temporal'].map((program) => ({ program, howToGet: 'npm start installs it' }));
  return [
    { name: 'rstow, activities alone', round: (data, parentDir) => pipelineRound(data, parentDir), once: false, unavailable: undefined },
    {
      name: 'rstow with age, activities alone',
      round: (data, parentDir) => pipelineRound(data, parentDir, 'age'),
      once: false,
      unavailable: undefined,
    },
    {
      name: 'rstow, whole workflow',
      round: workflowRound,
      once: sizeName !== 'S',
      unavailable: withWorkflow ? missingTool(servers) : 'it was not asked for',
    },
    ...shellContestants.map((contestant) => ({
      name: contestant.name,
      round: (data: DataSet, parentDir: string) => shellRound(contestant, data, parentDir),
      once: false,
      unavailable: missingTool([...contestant.needs, GNU_TIME]),
    })),
  ];
}
