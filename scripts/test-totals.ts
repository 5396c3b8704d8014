/** Prints `N passed, N failed` (and `, N skipped`) from the report of `npm test`; .ci/run's last line. */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

type Report = { testResults: { status: string; assertionResults: { status: string }[] }[] };

const [exitCodeText = '1'] = process.argv.slice(2);
const reportPath = fileURLToPath(new URL('../.tools/test-report.json', import.meta.url));
const files = existsSync(reportPath) ? (JSON.parse(readFileSync(reportPath, 'utf8')) as Report).testResults : [];

const statuses = files.flatMap((file) => file.assertionResults.map((test) => test.status));
const passed = statuses.filter((status) => status === 'passed').length;
const failedTests = statuses.filter((status) => status === 'failed').length;
const skipped = statuses.length - passed - failedTests;

// A file that did not load, or whose hooks failed, fails without a failed test of its own.
const failedFiles = files.filter(
  (file) => file.status === 'failed' && file.assertionResults.every((test) => test.status !== 'failed'),
).length;
const counted = failedTests + failedFiles;
// Whatever else ended the run with an error (set-up, an unhandled rejection, nothing ran) is one failure.
const failed = counted === 0 && (exitCodeText !== '0' || passed === 0) ? 1 : counted;

console.log(`${String(passed)} passed, ${String(failed)} failed${skipped > 0 ? `, ${String(skipped)} skipped` : ''}`);
process.exitCode = failed === 0 ? 0 : 1;
