import { dirname } from 'node:path';
import { afterAll, beforeAll, describe } from 'vitest';
import { createDockerService } from '../../src/io/service/docker-service.ts';
import { type ServicePlace, serviceSuite } from '../suites/service-suite.ts';
import { type EngineUnderTest, lackForContainers, openEngine } from '../support/container-engines.ts';
import { toolPath } from '../support/tools.ts';

/** So that a container of an image with nothing in it can run this machine's programs. */
const SYSTEM = ['/usr', '/bin', '/lib', '/lib64'];

describe.skipIf(lackForContainers !== undefined).each(['docker', 'podman'] as const)(`%s${lackForContainers ?? ''}`, (name) => {
  let engine: EngineUnderTest;
  beforeAll(async () => {
    engine = await openEngine(name);
  });
  afterAll(() => engine.close());

  serviceSuite(name, async ({ folder, command, env, stopTimeoutMs }: ServicePlace) => {
    const container = folder.replaceAll('/', '-').slice(1);
    const known = await engine.command('ps', '--all', '--format', '{{.Names}}');
    if (!known.split('\n').includes(container)) {
      const mounts = [...SYSTEM, dirname(toolPath('rstmdb'))].flatMap((path) => ['--volume', `${path}:${path}:ro`]);
      const variables = Object.entries(env).flatMap(([key, value]) => ['--env', `${key}=${value}`]);
      const entry = ['--entrypoint', command[0] ?? '', engine.image, ...command.slice(1)];
      const own = ['--network', 'host', '--volume', `${folder}:${folder}`];
      await engine.command('create', '--name', container, ...own, ...mounts, ...variables, ...entry);
    }
    return createDockerService({ engine: name, container, stopTimeoutMs, timeoutMs: 30_000 });
  });
});
