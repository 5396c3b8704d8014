/**
 * `node scripts/test-totals.ts REPORT=CODE…`: adds up the reports of test runs in .tools/, each with its run's exit code.
 * Prints `N passed, N failed` (and `, N skipped`), .ci/run's last line.
 */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

type Report = { testResults: { status: string; assertionResults: { status: string }[] }[] };
type Totals = { passed: number; failed: number; skipped: number };

function totalsOf(reportName: string, exitCode: string): Totals {
  const path = fileURLToPath(new URL(`../.tools/${reportName}.json`, import.meta.url));
  const files = existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as Report).testResults : [];
  const statuses = files.flatMap((file) => file.assertionResults.map((test) => test.status));
  const passed = statuses.filter((status) => status === 'passed').length;
  const failedTests = statuses.filter((status) => status === 'failed').length;
  // A file that did not load, or whose hooks failed, fails without a failed test of its own.
  const failedFiles = files.filter(
    (file) => file.status === 'failed' && file.assertionResults.every((test) => test.status !== 'failed'),
  ).length;
  const counted = failedTests + failedFiles;
  // Whatever else ended the run with an error (set-up, an unhandled rejection, nothing ran) is one failure.
  const failed = counted === 0 && (exitCode !== '0' || passed === 0) ? 1 : counted;
  return { passed, failed, skipped: statuses.length - passed - failedTests };
}

const runs = process.argv.slice(2).map((argument) => {
  const [reportName = '', exitCode = '1'] = argument.split('=');
  return totalsOf(reportName, exitCode);
});
const sum = (of: keyof Totals): number => runs.reduce((total, run) => total + run[of], 0);
const skipped = sum('skipped');
console.log(`${String(sum('passed'))} passed, ${String(sum('failed'))} failed${skipped > 0 ? `, ${String(skipped)} skipped` : ''}`);
process.exitCode = sum('failed') === 0 ? 0 : 1;
