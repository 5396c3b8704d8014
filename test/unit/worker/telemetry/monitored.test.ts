/** What watches the metrics: the rules and the dashboard of deploy/ and the page of docs/ name only what is exported. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { METRIC_NAMES } from '../../../../src/worker/telemetry/metrics.ts';

const read = (path: string): string => readFileSync(new URL(`../../../../${path}`, import.meta.url), 'utf8');
const namesIn = (text: string): string[] => [...new Set(text.match(/\brstow_[a-z_]+\b/g))];

type Rule = { alert: string; expr: string };
type Rules = { groups: { rules: Rule[] }[] };
type Panel = { title: string; targets?: { expr: string }[]; panels?: Panel[] };

const rules = (parse(read('deploy/prometheus-rules.yml')) as Rules).groups.flatMap((group) => group.rules);

test('every metric of the alerts is exported', () => {
  const names = namesIn(rules.map(({ expr }) => expr).join('\n'));
  expect(names.length).toBeGreaterThan(7);
  expect(METRIC_NAMES).toEqual(expect.arrayContaining(names));
});

test('every alert has a test in which it fires, and one in which it does not', () => {
  const { tests } = parse(read('deploy/prometheus-rules.test.yml')) as {
    tests: { alert_rule_test: { alertname: string; exp_alerts: unknown[] }[] }[];
  };
  const cases = tests.flatMap(({ alert_rule_test: each }) => each);
  for (const { alert } of rules) {
    const of = cases.filter(({ alertname }) => alertname === alert);
    expect(
      of.some(({ exp_alerts: fired }) => fired.length > 0),
      alert,
    ).toBe(true);
    expect(
      of.some(({ exp_alerts: fired }) => fired.length === 0),
      alert,
    ).toBe(true);
  }
});

test('every query of the dashboard asks for what is exported, and every metric is on it', () => {
  const { panels } = JSON.parse(read('deploy/grafana-dashboard.json')) as { panels: Panel[] };
  const queries = panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));
  for (const query of queries) expect(METRIC_NAMES, query).toEqual(expect.arrayContaining(namesIn(query)));
  expect(namesIn(queries.join('\n')).sort()).toEqual([...METRIC_NAMES].sort());
});

test('the page describes every metric and every alert, and no other', () => {
  const page = read('docs/monitoring.md');
  expect(namesIn(page).sort()).toEqual([...METRIC_NAMES].sort());
  const alerts = [...new Set(page.match(/\bRstow[A-Z][A-Za-z]+\b/g))];
  expect(alerts.sort()).toEqual(rules.map(({ alert }) => alert).sort());
});
