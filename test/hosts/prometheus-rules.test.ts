/** What deploy/ has for Prometheus and Alertmanager, by their own tools. */
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { runProgram } from '../support/run-program.ts';
import { lackOf } from '../support/tools.ts';

const deploy = fileURLToPath(new URL('../../deploy', import.meta.url));
const lack = lackOf('promtool') || lackOf('amtool');

describe.skipIf(lack !== '')(`the files of deploy/${lack}`, () => {
  it.each([
    ['Prometheus takes its config', 'promtool', ['check', 'config', 'prometheus.yml']],
    ['Prometheus takes the rules', 'promtool', ['check', 'rules', 'prometheus-rules.yml']],
    ['each alert fires when it should, and not before', 'promtool', ['test', 'rules', 'prometheus-rules.test.yml']],
    ['Alertmanager takes its config', 'amtool', ['check-config', 'alertmanager.yml']],
  ])('%s', async (_claim, program, words) => {
    const args = words.map((word) => (word.endsWith('.yml') ? join(deploy, word) : word));
    const { exitCode, stdout, stderr } = await runProgram(program, args);
    expect(exitCode, stdout + stderr).toBe(0);
  });
});
