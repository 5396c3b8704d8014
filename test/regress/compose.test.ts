/** docker-compose.yml and deploy/: read by a real compose, and against the files that they name. */
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';
import { parse } from 'yaml';
import { backupAgeMaxMs } from '../../src/core/protection/verdict.ts';
import { parseConfig } from '../../src/worker/load-config.ts';
import { runProgram } from '../support/run-program.ts';
import { repositoryFolders } from '../../src/config/repository.ts';

type ComposeService = {
  image: string;
  user?: string;
  command?: string[];
  environment?: Record<string, string>;
  logging?: { options?: { 'max-size'?: string } };
  healthcheck?: { disable?: boolean };
  ports?: string[];
  volumes?: string[];
  depends_on?: Record<string, { condition: string }>;
};

/** A version of at least two numbers: `latest`, or a major version alone, is another server tomorrow. */
const PINNED = /:v?[0-9]+\.[0-9]+[0-9.]*(-[a-z0-9.-]+)?$/;
const SHELL_FILES = [
  'deploy/healthy.sh',
  'deploy/make-secrets.sh',
  'deploy/services/rstmdb/run',
  'deploy/services/rstmdb/control/t',
  'deploy/services/agent/run',
];

const root = fileURLToPath(new URL('../..', import.meta.url));
const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const { services } = parse(read('docker-compose.yml')) as { services: Record<string, ComposeService> };
const dockerfile = read('deploy/Dockerfile');

test('every image is pinned by its version, in the compose file and in the Dockerfile', () => {
  const bases = [...dockerfile.matchAll(/^FROM (\S+)/gm)].map((match) => match[1] ?? '');
  expect(bases).toHaveLength(2);
  expect([...Object.values(services).map(({ image }) => image), ...bases].filter((image) => !PINNED.test(image))).toEqual([]);
  expect(dockerfile).toMatch(/cargo install --locked \S+ \S+ rstmdb --version 0\.3\.0/);
});

test('every service has a health check or ends, is waited for by that, and is published on this machine only', () => {
  const ending = Object.keys(services).filter((name) => services[name]?.healthcheck?.disable === true);
  expect(ending).toEqual(['secrets', 'schedule']);
  for (const [name, { healthcheck, ports = [], depends_on = {} }] of Object.entries(services)) {
    expect(healthcheck, name).toBeDefined();
    for (const port of ports) expect(port, name).toMatch(/^127\.0\.0\.1:/);
    for (const [other, { condition }] of Object.entries(depends_on)) {
      expect(condition, name).toBe(ending.includes(other) ? 'service_completed_successfully' : 'service_healthy');
    }
  }
});

test('no secret is in the file or in an environment, every log is turned over, and backups are scheduled', () => {
  const variables = Object.values(services).flatMap(({ environment = {} }) => Object.entries(environment));
  const secrets = variables.filter(([name]) => /PASSWORD|PWD|KEY|SECRET|TOKEN/.test(name));
  expect(secrets.length).toBeGreaterThan(1);
  for (const [name, value] of secrets) expect(value, name).toMatch(/^\/run\/secrets\//);
  for (const [name, { logging }] of Object.entries(services)) expect(logging?.options?.['max-size'], name).toBe('10m');
  expect(services['schedule']?.command).toEqual(['rstow', 'schedule', 'apply']);
  expect(parseConfig('deploy/rstow.yaml', read('deploy/rstow.yaml')).databases['orders']?.schedules).toHaveProperty('hotBackup');
});

test('a backup is too old by the schedule of the file, here half an hour, and by no number of the alert', () => {
  const { schedules, check } = parseConfig('deploy/rstow.yaml', read('deploy/rstow.yaml')).databases['orders']!;
  expect(backupAgeMaxMs({ schedule: schedules.hotBackup ?? null, ...check }, Date.now())).toBe(30 * 60_000);
  expect(read('deploy/prometheus-rules.yml')).toMatch(
    /alert: RstowBackupTooOld\n +expr: >-\n.*\n +> on .*rstow_backup_age_max_seconds\)\n/,
  );
});

test('each secret that a service reads is one that is made', () => {
  const made = [...read('deploy/make-secrets.sh').matchAll(/^(?:keep|take) ([a-z0-9-]+) [a-z0-9]+:[a-z0-9]+ 0/gm)].map((match) => match[1]);
  const readers = ['docker-compose.yml', 'deploy/rstow.yaml', 'deploy/alertmanager.yml'].map(read).join('\n');
  const wanted = new Set([...readers.matchAll(/\/run\/secrets\/([a-z0-9-]+)/g)].map((match) => match[1]));
  expect([...wanted].sort()).toEqual(made.sort());
});

test('the S3 server is no root: its secret can be read and its volume written by its own user', () => {
  const { user = 'root' } = services['s3'] ?? {};
  expect(user).toMatch(/^[1-9][0-9]*:[1-9][0-9]*$/);
  const [uid, gid] = user.split(':');
  const script = read('deploy/make-secrets.sh');
  expect(script).toContain(`keep s3-credentials rstow:${gid} 0440`);
  expect(script).toContain(`[ "$(stat -c %u /var/lib/s3)" = ${uid} ] || chown -R ${user} /var/lib/s3`);
  expect(services['secrets']?.volumes).toContain('objects:/var/lib/s3');
});

test('a secret that an older version has made stays, and gets the mode that its readers need now', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'rstow-secrets-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  for (const place of ['var/lib/secrets', 'var/lib/s3', 'run/secrets']) await mkdir(join(folder, place), { recursive: true });
  await writeFile(join(folder, 'run/secrets/chat-url'), 'https://chat.example/1');
  const secret = join(folder, 'var/lib/secrets/s3-credentials');
  await writeFile(secret, 'made before', { mode: 0o400 });
  // Only root can give files away.
  const [uid, gid] = [process.getuid?.(), process.getgid?.()];
  const script = read('deploy/make-secrets.sh')
    .replaceAll(/ \/(var|run)\//g, ` ${folder}/$1/`)
    .replaceAll(/<\/run/g, `<${folder}/run`);
  const own = script.replaceAll(/\b[a-z0-9]+:[0-9]+(?= 0)/g, `${uid}:${gid}`).replaceAll(/ (7070|7070:7070)(?= )/g, ` ${uid}`);
  expect(await runProgram('sh', ['-c', own])).toMatchObject({ exitCode: 0, stderr: '' });
  expect((await stat(secret)).mode & 0o777).toBe(0o440);
  expect(await readFile(secret, 'utf8')).toBe('made before');
});

test('the health check looks at the server, the agent with its Temporal, and the repository', () => {
  const check = read('deploy/healthy.sh');
  const { agent } = parseConfig('deploy/rstow.yaml', read('deploy/rstow.yaml'));
  const port = agent.http?.listen.split(':')[1];
  for (const look of ['rstmdb-cli ping', `http://127.0.0.1:${port}/healthz`, 'test -w /var/backups/rstmdb']) {
    expect(check).toContain(look);
  }
});

test('Prometheus scrapes the agent, Alertmanager is told by it, and Grafana asks it: each by the name of its service', () => {
  const { agent } = parseConfig('deploy/rstow.yaml', read('deploy/rstow.yaml'));
  const targets = [...read('deploy/prometheus.yml').matchAll(/targets: \['(.+)'\]/g)].map((match) => match[1]);
  expect(targets).toEqual([`database:${agent.http?.listen.split(':')[1]}`, 'alertmanager:9093']);
  const { datasources } = parse(read('deploy/grafana/datasources/prometheus.yml')) as { datasources: { url: string }[] };
  expect(datasources.map(({ url }) => url)).toEqual(['http://prometheus:9090']);
  for (const name of ['database', 'alertmanager', 'prometheus']) expect(services).toHaveProperty(name);
});

test('each file of this checkout that a service mounts is there, and Grafana finds the dashboard', () => {
  const volumes = Object.values(services).flatMap(({ volumes: each = [] }) => each.filter((volume) => volume.startsWith('./')));
  expect(volumes.length).toBeGreaterThan(5);
  for (const volume of volumes) expect(existsSync(join(root, volume.split(':')[0] ?? '')), volume).toBe(true);
  const { providers } = parse(read('deploy/grafana/dashboards/rstow.yml')) as { providers: { options: { path: string } }[] };
  const dashboard = volumes.find((volume) => volume.startsWith('./deploy/grafana-dashboard.json:'));
  expect(dashboard).toContain(`:${providers[0]?.options.path}/`);
});

test('the agent’s config is one that the agent reads, and all that must survive lies in volumes', () => {
  const { agent, databases, repositories, temporal } = parseConfig('deploy/rstow.yaml', read('deploy/rstow.yaml'));
  const server = parse(read('deploy/rstmdb.yaml')) as { storage: { data_dir: string }; compaction: { enabled: boolean } };
  const volumes = (services['database']?.volumes ?? []).map((volume) => volume.split(':')[1]);
  expect(temporal.address).toBe('temporal:7233');
  expect(databases['orders']?.dataDir).toBe(server.storage.data_dir);
  expect(server.compaction.enabled).toBe(false);
  expect(volumes.sort()).toEqual([server.storage.data_dir, agent.stateDir, ...repositoryFolders(repositories), '/run/secrets'].sort());
  expect(databases['orders']?.repositories).toEqual(Object.keys(repositories));
});

test('the Dockerfile copies what is there and what .dockerignore lets through', () => {
  const copied = [...dockerfile.matchAll(/^COPY (?:--chown=\S+ )?(?!--from)(.+) \S+$/gm)].flatMap((match) => (match[1] ?? '').split(' '));
  expect(copied.length).toBeGreaterThan(5);
  expect(copied.filter((path) => !existsSync(join(root, path)))).toEqual([]);
  const sent = [...read('.dockerignore').matchAll(/^!(.+)$/gm)].map((match) => match[1]);
  expect(copied.filter((path) => !sent.includes(path.split('/')[0]))).toEqual([]);
});

test.each(SHELL_FILES)('%s is a script that a shell reads and that can be run', async (file) => {
  expect(await runProgram('sh', ['-n', join(root, file)])).toMatchObject({ exitCode: 0, stderr: '' });
  expect(await runProgram('test', ['-x', join(root, file)])).toMatchObject({ exitCode: 0 });
});
