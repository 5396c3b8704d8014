/** A real Prometheus and a real Alertmanager, with the files of deploy/: only addresses differ, and times, which are shorter. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort } from './free-port.ts';
import { endedWithUs, killChild, untilAnswering } from './server-child.ts';

const DEPLOY = fileURLToPath(new URL('../../deploy', import.meta.url));

/** A minute of the shipped files is a second here. */
const SHORTER = 60;
const UNIT_MS: Record<string, number> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };
/** Also how long a scrape may take: less would fail on a busy machine. */
const INTERVAL_MS_MIN = 1_000;

/** What holds a time, but no expression: those are tested as they are. */
const DURATION = /(?<=^ *(?:for|group_wait|group_interval|repeat_interval|scrape_interval|evaluation_interval): )[0-9]+[smhd]$/gm;

export type Monitoring = {
  /** How many series a query finds now. */
  count: (query: string) => Promise<number>;
  /** Ends both. */
  close: () => Promise<void>;
};

export type MonitoringOptions = {
  /** Where it keeps its files. */
  folder: string;
  agentAddress: string;
  /** Where a chat would take messages. */
  chatUrl: string;
};

/** Starts both and waits until they answer. */
export async function startMonitoring({ folder, agentAddress, chatUrl }: MonitoringOptions): Promise<Monitoring> {
  await mkdir(folder);
  const [prometheusAddress, alertmanagerAddress] = [`127.0.0.1:${await freePort()}`, `127.0.0.1:${await freePort()}`];
  const file = (name: string): string => join(folder, name);
  await writeFile(file('chat-url'), chatUrl);
  await writeFile(file('prometheus-rules.yml'), await shortened('prometheus-rules.yml'));
  await writeFile(
    file('prometheus.yml'),
    replaced(await shortened('prometheus.yml'), { 'database:9095': agentAddress, 'alertmanager:9093': alertmanagerAddress }),
  );
  await writeFile(file('alertmanager.yml'), replaced(await shortened('alertmanager.yml'), { '/run/secrets/chat-url': file('chat-url') }));
  const places = (name: string): string[] => [`--config.file=${file(`${name}.yml`)}`, '--log.level=error'];
  const alertmanager = start('prometheus-alertmanager', [
    ...places('alertmanager'),
    `--storage.path=${file('alerts')}`,
    `--web.listen-address=${alertmanagerAddress}`,
    '--cluster.listen-address=',
  ]);
  const prometheus = start('prometheus', [
    ...places('prometheus'),
    `--storage.tsdb.path=${file('series')}`,
    `--web.listen-address=${prometheusAddress}`,
  ]);
  await untilAnswering(alertmanager, () => getOk(`http://${alertmanagerAddress}/-/ready`));
  await untilAnswering(prometheus, () => getOk(`http://${prometheusAddress}/-/ready`));
  return {
    count: async (query) => {
      const response = await getOk(`http://${prometheusAddress}/api/v1/query?query=${encodeURIComponent(query)}`);
      return ((await response.json()) as { data: { result: unknown[] } }).data.result.length;
    },
    close: async () => {
      await Promise.all([killChild(prometheus), killChild(alertmanager)]);
    },
  };
}

async function shortened(name: string): Promise<string> {
  const text = await readFile(join(DEPLOY, name), 'utf8');
  return text.replace(DURATION, (duration) => {
    const shorterMs = (parseInt(duration) * (UNIT_MS[duration.slice(-1)] ?? 0)) / SHORTER;
    return `${Math.max(INTERVAL_MS_MIN, Math.round(shorterMs))}ms`;
  });
}

/** Each of these must be there: else the file would be tested with another address than it was meant to. */
function replaced(text: string, by: Record<string, string>): string {
  return Object.entries(by).reduce((before, [old, now]) => {
    if (!before.includes(old)) throw new Error(`the file has no ${old}`);
    return before.replaceAll(old, now);
  }, text);
}

function start(program: string, args: readonly string[]): ChildProcess {
  return endedWithUs(spawn(program, args, { stdio: ['ignore', 'ignore', 'inherit'] }));
}

async function getOk(url: string): Promise<Response> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url} answers ${response.status}`);
  return response;
}
