/** docker-compose.yml and deploy/: read by a real compose, and against the files that they name. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { parseConfig } from '../../src/worker/load-config.ts';
import { runProgram } from '../support/run-program.ts';
import { repositoryFolders } from '../../src/config/repository.ts';

type ComposeService = {
  image: string;
  command?: string[];
  logging?: { options?: { 'max-size'?: string } };
  healthcheck?: object;
  ports?: string[];
  volumes?: string[];
  depends_on?: Record<string, { condition: string }>;
};

const INSTALL_TIMEOUT_MS = 240_000;
/** A version of at least two numbers: `latest`, or a major version alone, is another server tomorrow. */
const PINNED = /:v?[0-9]+\.[0-9]+[0-9.]*(-[a-z0-9.-]+)?$/;
const SHELL_FILES = ['deploy/healthy.sh', 'deploy/services/rstmdb/run', 'deploy/services/rstmdb/control/t', 'deploy/services/agent/run'];

const root = fileURLToPath(new URL('../..', import.meta.url));
const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const { services } = parse(read('docker-compose.yml')) as { services: Record<string, ComposeService> };
const dockerfile = read('deploy/Dockerfile');

test('a real compose reads the file', { timeout: INSTALL_TIMEOUT_MS }, async (context) => {
  const compose = await composeCommand();
  if (compose === undefined) return context.skip('there is no docker-compose here, and only CI as root installs one');
  const script = `${compose} --file "$0" config --services`;
  const { exitCode, stdout, stderr } = await runProgram('sh', ['-c', script, join(root, 'docker-compose.yml')], {
    env: { POSTGRES_PASSWORD: 'sesame' },
  });
  expect(exitCode, stderr).toBe(0);
  expect(stdout.trim().split('\n').sort()).toEqual(['database', 'postgresql', 'schedule', 'temporal', 'ui']);
});

test('every image is pinned by its version, in the compose file and in the Dockerfile', () => {
  const bases = [...dockerfile.matchAll(/^FROM (\S+)/gm)].map((match) => match[1] ?? '');
  expect(bases).toHaveLength(3);
  expect([...Object.values(services).map(({ image }) => image), ...bases].filter((image) => !PINNED.test(image))).toEqual([]);
  expect(dockerfile).toMatch(/cargo install --locked \S+ \S+ rstmdb --version 0\.3\.0/);
});

test('every service has a health check, is waited for by it, and is published on this machine only', () => {
  for (const [name, { healthcheck, ports = [], depends_on = {} }] of Object.entries(services)) {
    expect(healthcheck, name).toBeDefined();
    for (const port of ports) expect(port, name).toMatch(/^127\.0\.0\.1:/);
    for (const { condition } of Object.values(depends_on)) expect(condition, name).toBe('service_healthy');
  }
});

test('nothing has a password that everybody knows, every log is turned over, and backups are scheduled', () => {
  expect(read('docker-compose.yml')).not.toMatch(/PASSWORD:-/);
  for (const [name, { logging }] of Object.entries(services)) expect(logging?.options?.['max-size'], name).toBe('10m');
  expect(services['schedule']?.command).toEqual(['rstow', 'schedule', 'apply']);
  expect(parseConfig('deploy/rstow.yaml', read('deploy/rstow.yaml')).databases['orders']?.schedules).toHaveProperty('hotBackup');
});

test('the health check looks at the server, the agent, Temporal and the repository', () => {
  const check = read('deploy/healthy.sh');
  for (const look of ['is_up agent', 'rstmdb-cli ping', 'temporal operator namespace describe', 'test -w /var/backups/rstmdb']) {
    expect(check).toContain(look);
  }
  expect(dockerfile).toMatch(/^COPY --from=temporal .*\/temporal /m);
});

test('the agent’s config is one that the agent reads, and all that must survive lies in volumes', () => {
  const { agent, databases, repositories, temporal } = parseConfig('deploy/rstow.yaml', read('deploy/rstow.yaml'));
  const server = parse(read('deploy/rstmdb.yaml')) as { storage: { data_dir: string }; compaction: { enabled: boolean } };
  const volumes = (services['database']?.volumes ?? []).map((volume) => volume.split(':')[1]);
  expect(temporal.address).toBe('temporal:7233');
  expect(databases['orders']?.dataDir).toBe(server.storage.data_dir);
  expect(server.compaction.enabled).toBe(false);
  expect(volumes.sort()).toEqual([server.storage.data_dir, agent.stateDir, ...repositoryFolders(repositories)].sort());
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

/** As a shell takes it. */
async function composeCommand(): Promise<string | undefined> {
  const found = await composeOnPath();
  const mayInstall = process.env['CI'] === 'true' && process.getuid?.() === 0;
  if (found !== undefined || !mayInstall) return found;
  const install = 'apt-get install -y --no-install-recommends docker-compose';
  await runProgram('sh', ['-c', `${install} || { apt-get update && ${install}; }`], {
    env: { DEBIAN_FRONTEND: 'noninteractive' },
    timeoutMs: INSTALL_TIMEOUT_MS - 30_000,
  });
  return composeOnPath();
}

async function composeOnPath(): Promise<string | undefined> {
  for (const command of ['docker compose', 'docker-compose']) {
    if ((await runProgram('sh', ['-c', `${command} version`])).exitCode === 0) return command;
  }
  return undefined;
}
