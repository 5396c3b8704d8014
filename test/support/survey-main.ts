/** `node survey-main.ts CONFIG DATABASE`: what a restart would replay, surveyed by this process alone, so that its memory can be bounded; prints the facts. */
import { randomUUID } from 'node:crypto';
import { ownRun } from '../../src/activities/run-port.ts';
import { surveyRestart } from '../../src/activities/check/survey-restart.ts';
import { localDeps } from '../../src/local/local-deps.ts';

const [configFile = '', database = ''] = process.argv.slice(2);
process.stdout.write(JSON.stringify(await surveyRestart(await localDeps(configFile))({ database }, ownRun(randomUUID()))));
