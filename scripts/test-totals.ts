/**
 * `node scripts/test-totals.ts REPORT=CODE…`: adds up the reports of test runs in .tools/, each with its run's exit code.
 * Names each failure, for a long log is read from its end, and prints `N passed, N failed` (and `, N skipped`), .ci/run's last line.
 */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));

type TestResult = { status: string; fullName: string; failureMessages: string[] };
type FileResult = { name: string; status: string; message: string; assertionResults: TestResult[] };
type Report = { testResults: FileResult[] };
type Totals = { passed: number; failed: number; skipped: number; failures: string[] };

function totalsOf(reportName: string, exitCode: string): Totals {
  const path = join(ROOT, `.tools/${reportName}.json`);
  const files = existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as Report).testResults : [];
  const statuses = files.flatMap((file) => file.assertionResults.map((test) => test.status));
  const passed = statuses.filter((status) => status === 'passed').length;
  const failedTests = statuses.filter((status) => status === 'failed').length;
  const failures = files.flatMap(failuresOf);
  // Whatever else ended the run with an error (set-up, an unhandled rejection, nothing ran) is one failure.
  if (failures.length === 0 && (exitCode !== '0' || passed === 0)) failures.push(`${reportName}: the run ended with ${exitCode}`);
  return { passed, failed: failures.length, skipped: statuses.length - passed - failedTests, failures };
}

/** A file that did not load, or whose hooks failed, fails without a failed test of its own. */
function failuresOf({ name, status, message, assertionResults }: FileResult): string[] {
  if (status !== 'failed') return [];
  const path = relative(ROOT, name);
  const failed = assertionResults.filter((test) => test.status === 'failed');
  if (failed.length === 0) return [`${path}: ${firstLine(message)}`];
  return failed.map(({ fullName, failureMessages }) => `${path} > ${fullName}: ${firstLine(failureMessages[0] ?? '')}`);
}

const firstLine = (text: string): string => text.split('\n', 1)[0] ?? '';

const runs = process.argv.slice(2).map((argument) => {
  const [reportName = '', exitCode = '1'] = argument.split('=');
  return totalsOf(reportName, exitCode);
});
for (const failure of runs.flatMap(({ failures }) => failures)) console.log(`failed: ${failure}`);
const sum = (of: 'passed' | 'failed' | 'skipped'): number => runs.reduce((total, run) => total + run[of], 0);
const skipped = sum('skipped');
console.log(`${String(sum('passed'))} passed, ${String(sum('failed'))} failed${skipped > 0 ? `, ${String(skipped)} skipped` : ''}`);
process.exitCode = sum('failed') === 0 ? 0 : 1;
