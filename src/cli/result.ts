import type { CommonResult } from '../contract/result.ts';
import type { ProtectionGap } from '../core/protection/verdict.ts';
import type { Output } from './output.ts';

/** A result as lines for people. */
export type ResultLines<Result> = (result: Result) => string[];

const WITH_WARNINGS = 3;

/** Returns the exit code. */
export function printResult<Result extends CommonResult>(output: Output, resultLines: ResultLines<Result>, result: Result): number {
  const lines = resultLines(result);
  output.result(lines, result);
  for (const warning of result.warnings) {
    const line = `${warning.code}: ${warning.message}`;
    if (!lines.includes(line) && !isGap(result, warning)) output.note(`warning: ${line}`);
  }
  return result.outcome === 'warnings' || result.outcome === 'skipped' ? WITH_WARNINGS : 0;
}

/** The verdict of `info` begins with its gaps; said again at the end they would hide the other warnings. */
function isGap(
  result: CommonResult & { protection?: { gaps: readonly ProtectionGap[] } },
  { message }: CommonResult['warnings'][number],
): boolean {
  return result.protection?.gaps.some(({ sentence, remedy }) => message === `${sentence}: ${remedy}`) ?? false;
}
