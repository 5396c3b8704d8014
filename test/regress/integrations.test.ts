/** What docs/integrations.md and examples/alertmanager.yaml tell other people's programs to send: in their own languages, and as the contract has it. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { parseDisasterRecoveryInput } from '../../src/contract/disaster-recovery.ts';
import { recoveryWorkflowId, WORKFLOW_QUEUE } from '../../src/contract/names.ts';
import { REQUEST_RECOVERY_SIGNAL } from '../../src/contract/messages.ts';
import { requestsOf } from '../../src/worker/http/recovery-webhook.ts';

const page = read('docs/integrations.md');
const alertmanager = read('examples/alertmanager.yaml');

/** A syntax check that reads a program from stdin. */
const checkers: Record<string, string[]> = {
  go: ['gofmt', '-e', '-l'],
  python: ['python3', '-c', 'import ast, sys; ast.parse(sys.stdin.read())'],
  sh: ['sh', '-n'],
};

function read(path: string): string {
  return readFileSync(fileURLToPath(new URL(`../../${path}`, import.meta.url)), 'utf8');
}

function snippets(language: string): string[] {
  return [...page.matchAll(new RegExp(`^\`\`\`${language}\\n([^]*?)^\`\`\`$`, 'gm'))].map((match) => match[1] ?? '');
}

function isThere([program = '']: string[]): boolean {
  return spawnSync(program, ['-h'], { input: '' }).error === undefined;
}

describe.each(Object.entries(checkers))('the snippets in %s', (language, command) => {
  test.skipIf(!isThere(command))('are programs of it', () => {
    const [program = '', ...args] = command;
    expect(snippets(language)).not.toEqual([]);
    for (const input of snippets(language))
      expect(spawnSync(program, args, { input, encoding: 'utf8' })).toMatchObject({ status: 0, stdout: '', stderr: '' });
  });
});

test('the snippets in TypeScript are programs of it', () => {
  expect(snippets('ts')).toHaveLength(2);
  for (const fileText of snippets('ts')) {
    const { diagnostics } = ts.transpileModule(fileText, { reportDiagnostics: true });
    expect(diagnostics).toEqual([]);
  }
});

test.each(['sh', 'ts', 'go', 'python'])(
  'the snippet in %s names the workflow, its id, its queue and its signal as the contract does',
  (language) => {
    const names = ['disasterRecovery', recoveryWorkflowId('orders'), WORKFLOW_QUEUE, REQUEST_RECOVERY_SIGNAL];
    const words = (snippets(language).at(language === 'ts' ? 1 : 0) ?? '').split(/[\s"'(),:]+/);
    for (const name of names) expect(words).toContain(name);
  },
);

test('every request that the page shows is one that the contract takes', () => {
  const objects = [...page.matchAll(/\{ ?"?database"?: [^{}]*"?reason"?: [^{}]*\}/g)].map(([text]) => parse(text) as unknown);
  expect(objects).toHaveLength(6);
  for (const request of objects) expect(parseDisasterRecoveryInput([request])).toMatchObject({ database: 'orders' });
});

test('the request by curl asks for what it says', () => {
  const body = /^ {2}-d '(.*)'$/m.exec(page)?.[1] ?? '';
  expect(requestsOf(body)?.inputs).toEqual([{ database: 'orders', requestedBy: 'alertmanager', reason: 'ReadsFail' }]);
});

type Receiver = { name: string; webhook_configs?: { url: string; http_config: { authorization: { credentials_file: string } } }[] };
type Route = { receiver: string; matchers?: string[]; routes?: Route[] };

test('examples/alertmanager.yaml sends alerts with the label to where the page lets an agent listen', () => {
  const { route, receivers } = parse(alertmanager) as { route: Route; receivers: Receiver[] };
  const names = receivers.map(({ name }) => name);
  for (const { receiver } of [route, ...(route.routes ?? [])]) expect(names).toContain(receiver);
  expect(route.routes?.[0]).toMatchObject({ receiver: 'rstow', matchers: ['rstow_database=~".+"'], continue: true });
  const { http } = (parse(snippets('yaml')[0] ?? '') as { agent: { http: { listen: string } } }).agent;
  const [webhook] = receivers.find(({ name }) => name === 'rstow')?.webhook_configs ?? [];
  expect(webhook).toMatchObject({ url: `http://${http.listen}/recovery`, http_config: { authorization: {} } });
  expect(webhook?.http_config.authorization.credentials_file).toMatch(/^\//);
});
