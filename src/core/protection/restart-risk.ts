import { bothDiffering, type Differing, joinedComparison, lacksState, type StateComparison } from '../state/server-comparison.ts';
import { countedText, sizeText } from '../text/figures.ts';
import type { Finding } from './finding.ts';

/** What the files say that a restart of the server would read, and how that differs from what it shows now. */
export type RestartFacts = {
  segments: number;
  sizeBytes: number;
  records: number;
  /** The records that hold the present state. */
  stateBytes: number;
  lastSegmentBytes: number;
  /** The segments that wal/ lacks, in words. */
  missing?: string | undefined;
  /** Why a server would not start on the files, or would lose what lies behind that place. */
  damage?: string | undefined;
  /** An incomplete record at the log's end that nobody is writing any more. */
  tail?: { file: string; sizeBytes: number } | undefined;
  /** Null if the server can't be asked; `failure` says why. */
  compared: StateComparison | null;
  failure?: { code: string; sentence: string } | undefined;
};

/** What a restart of the server would lose or change now. */
export function restartFindings(database: string, facts: RestartFacts): Finding[] {
  const { damage, tail } = facts;
  const compared = comparedFinding(database, facts);
  const findings = damage !== undefined && compared.severity === 'ok' ? [] : [compared];
  if (damage !== undefined) {
    const hint = 'Don’t restart the server. Follow “A damaged segment” in docs/recovery.md.';
    findings.push({ severity: 'critical', code: 'source-damaged', sentence: damage, hint });
  }
  if (tail !== undefined) findings.push(tailFinding(database, tail));
  return findings;
}

function tailFinding(database: string, { file, sizeBytes }: NonNullable<RestartFacts['tail']>): Finding {
  const sentence = `${file} ends with ${countedText(sizeBytes, 'byte')} of an incomplete record: a server that writes behind them loses what it writes, or doesn’t start again`;
  const hint = `Stop the server, then \`rstow recover ${database}\`: it cuts the incomplete record, and starts the server.`;
  return { severity: 'critical', code: 'torn-tail', sentence, hint };
}

function comparedFinding(database: string, facts: RestartFacts): Finding {
  const { compared, missing, failure, sizeBytes, records } = facts;
  const lacks = missing === undefined ? '' : `, and wal/ lacks ${missing}`;
  const logFigures = { walBytes: sizeBytes, walRecords: records };
  if (compared === null) {
    const sentence = `what a restart would lose is not known${lacks}: ${failure?.sentence ?? 'the server was not asked'}`;
    return { severity: 'unknown', code: 'restart-unknown', sentence, hint: 'Start the server, or read its own log.', figures: logFigures };
  }
  const figures = { ...logFigures, ...lossFigures(compared) };
  const changes = changesText(compared);
  const reason = missing === undefined ? '' : `: wal/ lacks ${missing}`;
  if (changes !== undefined)
    return {
      severity: 'critical',
      code: 'restart-loses',
      sentence: `a restart now ${changes}${reason}`,
      hint: lossHint(database, compared),
      figures,
    };
  const whole = `${countedText(compared.shown, 'instance')} in ${sizeText(sizeBytes)} of log`;
  const depth = compared.kind === 'counts' ? ', compared by their number alone' : '';
  if (missing === undefined)
    return { severity: 'ok', code: 'restart-safe', sentence: `a restart now loses nothing: ${whole}${depth}`, figures };
  const sentence = `wal/ lacks ${missing}, but a restart now loses nothing that the server shows`;
  return { severity: 'warning', code: 'log-incomplete', sentence, hint: `\`rstow rebase ${database}\` makes the log whole.`, figures };
}

function lossFigures({ shown, machines, instances }: StateComparison): Record<string, number> {
  return {
    instances: shown,
    instancesLost: instances.lacking.count,
    machinesLost: machines.lacking.count,
    instancesOutdated: takenBack(instances).count,
    instancesBack: instances.unshown.count,
  };
}

/** `would lose 12 instances (order-1, order-2, …) and 1 machine (order version 1)`; undefined if nothing changes. */
function changesText({ machines, instances }: StateComparison): string | undefined {
  const lost = [namedText(instances.lacking, 'instance'), namedText(machines.lacking, 'machine')].filter(isText);
  const outdated = namedText(takenBack(instances), 'instance');
  const back = [namedText(instances.unshown, 'instance'), namedText(machines.unshown, 'machine')].filter(isText);
  const changes = [
    lost.length === 0 ? undefined : `would lose ${lost.join(' and ')}`,
    outdated === undefined ? undefined : `would take back the last changes of ${outdated}`,
    back.length === 0
      ? undefined
      : `would bring back ${back.join(' and ')} that the server doesn’t show, as after FLUSH_ALL, which is not in the log`,
  ].filter(isText);
  return changes.length === 0 ? undefined : changes.join('; it ');
}

function takenBack({ outdated, older }: StateComparison['instances']): Differing {
  return older === undefined ? outdated : bothDiffering(outdated, older);
}

function namedText({ count, first }: Differing, noun: string): string | undefined {
  if (count === 0) return undefined;
  return `${countedText(count, noun)} (${first.join(', ')}${count > first.length ? ', …' : ''})`;
}

function isText(text: string | undefined): text is string {
  return text !== undefined;
}

function lossHint(database: string, compared: StateComparison): string {
  const { older } = compared.instances;
  const [backup, rebase] = [`\`rstow backup ${database}\``, `\`rstow rebase ${database}\``];
  if (older === undefined || older.count === 0) return `Don’t restart the server. ${backup}, then ${rebase}, which makes a restart safe.`;
  if (!lacksState(joinedComparison(compared))) return `Don’t restart the server. ${OLDER_HINT}`;
  return `Don’t restart the server. Run ${backup} now. ${OLDER_HINT} Then ${rebase} makes a restart safe.`;
}

/** No rebase mends it: a baseline holds what the log gives. */
const OLDER_HINT =
  'Wait until the server has begun a new segment of its log, then let each instance whose last change would be taken back change once more. “An older change behind a newer one” in docs/recovery.md says why.';
