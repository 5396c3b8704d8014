import { expect, it } from 'vitest';
import { agentConfigSchema } from '../../../src/config/agent-config.ts';

const parse = (rehearsal: object) =>
  agentConfigSchema.safeParse({
    repositories: { local: { kind: 'folder', path: '/backup' } },
    databases: { orders: { server: { address: 'db1:7401' }, dataDir: '/data', repositories: ['local'], rehearsal } },
  });

it('takes a container with its engine and image alone, as an image of rstmdb has its data and its port', () => {
  const { rehearsal } = parse({ container: { engine: 'docker', image: 'rstmdb:0.3.0' } }).data?.databases['orders'] ?? {};
  expect(rehearsal?.container).toEqual({ engine: 'docker', image: 'rstmdb:0.3.0', dataDir: '/data', port: 7401, options: [] });
});

it.each([
  [
    'a container beside a command',
    { command: ['rstmdb'], container: { engine: 'docker', image: 'rstmdb' } },
    /can’t be combined with rehearsal.command/,
  ],
  [
    'an image that the engine would read as an option',
    { container: { engine: 'docker', image: '--privileged' } },
    /must be the name of an image/,
  ],
  ['an engine that it does not know', { container: { engine: 'lxc', image: 'rstmdb' } }, /docker/],
  [
    'a user that the engine would read as an option',
    { container: { engine: 'podman', image: 'rstmdb', user: '-x y' } },
    /user or user:group/,
  ],
  ['port 0', { port: 0 }, />=1/],
])('refuses %s', (_what, rehearsal, says) => {
  expect(parse(rehearsal).error?.message).toMatch(says);
});
