import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { temporalPlace } from '../../../src/cli/temporal-place.ts';

async function configFile(temporal: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'rstow-place-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const file = join(folder, 'rstow.yaml');
  await writeFile(file, `temporal: ${temporal}\nrepositories: {}\ndatabases: {}\n`);
  return file;
}

test('takes Temporal from an option, else the environment, else the config file, else `rstow up`, and says which', async () => {
  const hostConfigFile = await configFile("{ address: 'db:7233', namespace: ours }");
  const all = { address: 'named:1', hostConfigFile, embeddedAddress: '127.0.0.1:7' };
  const { address: _address, ...host } = all;
  expect(await temporalPlace(all, 'set:2')).toEqual({ address: 'named:1', namespace: undefined, namedBy: 'named by --address' });
  expect(await temporalPlace(host, 'set:2')).toEqual({
    ...{ address: 'set:2', namespace: undefined, namedBy: 'named by TEMPORAL_ADDRESS or temporal.toml' },
  });
  expect(await temporalPlace(host, undefined)).toEqual({
    ...{ address: 'db:7233', namespace: 'ours', namedBy: `named by temporal.address in ${hostConfigFile}` },
  });
  const up = { hostConfigFile: await configFile('{ namespace: own }'), embeddedAddress: '127.0.0.1:7' };
  expect(await temporalPlace(up, undefined)).toMatchObject({ address: '127.0.0.1:7', namespace: 'own' });
});

test('says of the default address why it is none of the config file', async () => {
  const at = async (hostConfigFile?: string): Promise<object> =>
    temporalPlace(hostConfigFile === undefined ? {} : { hostConfigFile }, undefined);
  const empty = await configFile('{}');
  const absent = `${empty}.not-there`;
  expect(await at()).toMatchObject({ address: '127.0.0.1:7233', namedBy: 'the default, for this host has no config file' });
  expect(await at(empty)).toMatchObject({ namedBy: `the default, for ${empty} has no temporal.address` });
  expect(await at(absent)).toMatchObject({ namedBy: `the default, for the config file ${absent} does not exist` });
});

test('asks no other Temporal than a config file may mean that has a fault', async () => {
  const wrong = await configFile('{ adress: db:7233 }');
  const up = { hostConfigFile: wrong, embeddedAddress: '127.0.0.1:7' };
  const message = expect.stringMatching(`^${wrong}(.|\n)*adress`) as string;
  const hint = expect.stringContaining('--address') as string;
  await expect(temporalPlace(up, undefined)).rejects.toMatchObject({ code: 'invalid-config', message, hint });
  expect(await temporalPlace({ ...up, address: 'named:1' }, undefined)).toMatchObject({ address: 'named:1' });
});
