import { once } from 'node:events';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, expect, inject, it } from 'vitest';
import type { TestName } from '../../src/core/repository/object-keys.ts';
import { storeIn } from '../support/store-in.ts';
import type { RecoveryTest } from '../../src/formats/repository/facts.ts';
import type { TestRecoveryResult } from '../../src/contract/test-recovery.ts';
import { type ErrorCode, errorRow } from '../../src/core/errors/error-table.ts';
import type { AgentProcess } from '../support/agent-process.ts';
import { type BackupKeys, type Damage, type DamageScene, newestPiece, openDamageScene } from '../support/damage-scene.ts';
import { DATABASE } from '../support/database-stack.ts';
import { folderHashes } from '../support/folder-hash.ts';
import { freePort } from '../support/free-port.ts';
import { makeMemoryGroup, type MemoryGroup } from '../support/memory-group.ts';
import { failureOfRun, type RunFailure } from '../support/run-failure.ts';
import { expectNoScratchLeft } from '../support/scratch-witness.ts';
import { toolPath } from '../support/tools.ts';

let on: DamageScene;
const undo: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  on = await openDamageScene({ temporalAddress: inject('temporalAddress'), workflowBundlePath: inject('workflowBundlePath') });
});
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
  await on.files.heal();
});
afterAll(() => on.close());

/** Who does the test. */
type Tester = { name: string; stateDir: string; process: AgentProcess };

/** A second host that reaches the repository and starts the test's server as its config says. */
async function startTester(rehearsal: Record<string, unknown>): Promise<Tester> {
  const name = `tester-${Math.random().toString(36).slice(2)}`;
  const stateDir = join(on.scene.stack.folder, name);
  const agent = await on.scene.startAgent(await on.scene.stack.writeConfig({ name, stateDir }, { rehearsal }));
  undo.push(() => agent.kill());
  return { name, stateDir, process: agent };
}

async function script(name: string, text: string): Promise<string> {
  const folder = join(on.scene.stack.folder, 'scripts');
  await mkdir(folder, { recursive: true });
  const path = join(folder, name);
  await writeFile(path, `#!/bin/sh\n${text}`);
  await chmod(path, 0o755);
  return path;
}

async function takePort(): Promise<number> {
  const port = await freePort();
  const server = createServer().listen(port, '127.0.0.1');
  await once(server, 'listening');
  undo.push(async () => {
    server.close();
    await once(server, 'close');
  });
  return port;
}

/** The log without its last few bytes, in a stored form that is whole: what a writer without fsync leaves. */
async function tearTail(of: BackupKeys): Promise<void> {
  const plain = zstdDecompressSync(await readFile(join(on.scene.stack.repositoryDir, newestPiece(of))));
  await on.files.replace(newestPiece(of), zstdCompressSync(plain.subarray(0, plain.length - 7)));
}

/** The database's own agent meets it. */
const inRepository = (damage: Damage) => async (): Promise<undefined> => {
  await damage(on.files, on.keys);
};

type Case = {
  fault: string;
  /** Plants it, and says who tests where it isn't the database's own agent. */
  plant: () => Promise<Tester | undefined>;
  input?: Record<string, unknown>;
  code: ErrorCode;
  says: RegExp;
  details?: () => Record<string, unknown>;
};

let takenPort: number;

/** At that boot, the first being 1, its log is again what it was at the first. */
async function losingAtBoot(boot: number): Promise<Tester> {
  const place = join(on.scene.stack.folder, 'scripts', `lost-at-${boot}`);
  await mkdir(place, { recursive: true });
  const text = `
echo boot >>${place}/boots
case $(wc -l <${place}/boots) in
  1) cp -r "$RSTMDB_DATA/wal" ${place}/wal ;;
  ${boot}) cp ${place}/wal/* "$RSTMDB_DATA/wal" ;;
esac
exec ${toolPath('rstmdb')}
`;
  return startTester({ command: [await script(`losing-at-${boot}`, text)] });
}

const LOST = { code: 'digest-different', says: /has lost, at a restart, a write that it had acknowledged/ } as const;

const cases: Case[] = [
  {
    fault: 'a flipped bit',
    plant: inRepository((files, of) => files.flipBit(newestPiece(of))),
    ...{ code: 'damaged-object', says: /zstd frame|does not give the bytes/, details: () => ({ key: newestPiece(on.keys) }) },
  },
  {
    fault: 'a missing piece',
    plant: inRepository((files, of) => files.remove(newestPiece(of))),
    ...{ code: 'missing-object', says: /is missing, and no other piece covers byte/, details: () => ({ key: newestPiece(on.keys) }) },
  },
  {
    fault: 'a torn tail',
    plant: inRepository((_files, of) => tearTail(of)),
    ...{ code: 'truncated-object', says: /ends after [0-9]+ plain bytes, before byte/, details: () => ({ key: newestPiece(on.keys) }) },
  },
  {
    fault: 'a piece cut short',
    plant: inRepository((files, of) => files.truncate(newestPiece(of), 0.9)),
    ...{ code: 'truncated-object', says: /is not a complete zstd frame/, details: () => ({ key: newestPiece(on.keys) }) },
  },
  {
    fault: 'a server that doesn’t boot',
    plant: async () => startTester({ command: [await script('no-boot', 'echo "cannot boot on this" >&2; exit 1\n')] }),
    ...{ code: 'service-start-failed', says: /cannot boot on this/ },
  },
  {
    fault: 'a server that comes up with other data',
    plant: async () => {
      const empty = join(on.scene.stack.folder, 'scripts', 'empty');
      const text = `exec env RSTMDB_DATA=${empty} ${toolPath('rstmdb')}\n`;
      return startTester({ command: [await script('other-data', text)] });
    },
    ...{ code: 'digest-different', says: /a server on the recovered log shows the state/ },
  },
  { fault: 'a server that loses its write at the first restart', plant: async () => losingAtBoot(2), ...LOST },
  { fault: 'a server that loses its write at the second restart', plant: async () => losingAtBoot(3), ...LOST },
  {
    fault: 'a failing assertion',
    plant: async () => undefined,
    input: { assertions: { counts: [{ machine: 'order', min: 1_000_000 }] } },
    ...{ code: 'assertion-failed', says: /there are [0-9]+ instances of machine "order", not 1000000 to any number/ },
  },
  {
    fault: 'a taken port',
    plant: async () => {
      takenPort = await takePort();
      return startTester({ port: takenPort });
    },
    ...{ code: 'port-taken', says: /process [0-9]+ \(.+\) listens on port/, details: () => ({ port: takenPort, pid: process.pid }) },
  },
];

async function runTest(tester: Tester | undefined, input: Record<string, unknown> = {}): Promise<TestRecoveryResult> {
  const agent = tester === undefined ? {} : { agent: tester.name };
  return on.scene.temporal.execute<TestRecoveryResult>('testRecovery', { database: DATABASE, ...agent, ...input });
}

async function repositoryBesidesFacts(): Promise<[string, string][]> {
  const hashes = await folderHashes(on.scene.stack.repositoryDir);
  return [...hashes].filter(([path]) => !path.includes('/facts') && !path.includes('/damage') && !path.startsWith('.tmp'));
}

/** What the run adds to the repository is one fact, and the database is as it was. */
async function expectOnlyFact(run: () => Promise<unknown>): Promise<RecoveryTest> {
  const { stack } = on.scene;
  const before = await repositoryBesidesFacts();
  const remembered = await allTests();
  await run();
  expect(await repositoryBesidesFacts()).toEqual(before);
  await on.expectUntouched();
  const names = await allTests();
  const added = names.filter(({ runId }) => !remembered.some((name) => name.runId === runId));
  expect(added).toHaveLength(1);
  return (await (await storeIn(await stack.openRepository(), DATABASE)).facts.test(added[0]!))!;
}

async function allTests(): Promise<TestName[]> {
  const { facts } = await storeIn(await on.scene.stack.openRepository(), DATABASE);
  return [...(await facts.byLabel()).values()].flat().filter((name): name is TestName => name.kind === 'test');
}

async function expectFailure(tester: Tester | undefined, { input, code, says, details }: Omit<Case, 'plant' | 'fault'>): Promise<void> {
  const { stack } = on.scene;
  let failure: RunFailure | undefined;
  const fact = await expectOnlyFact(async () => (failure = await failureOfRun(runTest(tester, input))));
  expect(failure).toMatchObject({ code, details: details?.() ?? {} });
  expect(failure?.sentence).toMatch(new RegExp(`^${code}: `));
  expect(failure?.sentence).toMatch(says);
  await expectNoScratchLeft(tester?.stateDir ?? join(stack.folder, 'agent'), { agentPid: (tester?.process ?? on.scene.agent).pid });
  expect(fact).toMatchObject({ held: false, label: on.keys.third, failure: { code, sentence: failure?.sentence } });
}

it.each(cases)('$fault fails as $code, is remembered, and leaves nothing', async ({ plant, ...expected }) => {
  expect(errorRow(expected.code).retryable).toBe(false);
  await expectFailure(await plant(), expected);
});

it('no memory for a server fails as not-enough-memory before anything is fetched', async (context) => {
  const group: MemoryGroup | undefined = await makeMemoryGroup(48 * 1024 * 1024);
  if (group === undefined) return context.skip('no control group with a memory limit can be made here');
  undo.push(group.remove);
  const tester = await startTester({});
  await group.take(tester.process.pid);
  await expectFailure(tester, { code: 'not-enough-memory', says: /needs about [0-9.]+ MB of memory/ });
});

/** Takes the port before the server does: as often as there are files to remove. */
const STEALING = (place: string): string => `
for turn in ${place}/steal-*; do
  [ -e "$turn" ] || break
  rm "$turn"
  env -u RSTOW_SERVICE -u RSTMDB_DATA RSTOW_THIEF=${place} setsid ${process.execPath} -e '
    const listens = () => require("node:fs").writeFileSync(process.env.RSTOW_THIEF + "/listens", "");
    require("node:net").createServer((socket) => socket.destroy()).listen(Number(process.env.RSTMDB_BIND.split(":")[1]), "127.0.0.1", listens);
    setTimeout(() => process.exit(), 20000)' >/dev/null 2>&1 &
  until [ -e ${place}/listens ]; do sleep 0.05; done
  rm ${place}/listens
  break
done
exec ${toolPath('rstmdb')}
`;

async function thief(times: number): Promise<Tester> {
  const place = join(on.scene.stack.folder, 'scripts', `thief-${times}`);
  await mkdir(place, { recursive: true });
  for (let turn = 0; turn < times; turn += 1) await writeFile(join(place, `steal-${turn}`), '');
  return startTester({ command: [await script(`stealing-${times}`, STEALING(place))] });
}

it('tries another port where one that it chose is taken before the server has it', async () => {
  const tester = await thief(2);
  expect(await runTest(tester)).toMatchObject({ outcome: 'done', label: on.keys.third });
  await expectNoScratchLeft(tester.stateDir, { agentPid: tester.process.pid });
});

it('fails as port-taken where every port that it tries is taken', async () => {
  await expectFailure(await thief(5), { code: 'port-taken', says: /process [0-9]+ \(.+\) listens on port/ });
});

it('boots three times on the configured port, has its write from the second on, and leaves nothing but the fact', async () => {
  const boots = join(on.scene.stack.folder, 'scripts', 'boots');
  const hasWrite = 'grep -qaE "rstow-recovery-test-[0-9a-f]{8}" "$RSTMDB_DATA"/wal/*.wal && echo written || echo unwritten';
  const command = [await script('logging', `echo "$RSTMDB_BIND $RSTMDB_DATA $(${hasWrite})" >>${boots}\nexec ${toolPath('rstmdb')}\n`)];
  const port = await freePort();
  const tester = await startTester({ port, command });
  let result: TestRecoveryResult | undefined;
  const fact = await expectOnlyFact(async () => (result = await runTest(tester)));
  expect(result).toMatchObject({ outcome: 'done', label: on.keys.third, stateDigest: on.digests[2] });
  expect(fact).toMatchObject({ held: true, label: on.keys.third, runId: result?.runId, end: result?.extents.end, agent: tester.name });
  await expectNoScratchLeft(tester.stateDir, { agentPid: tester.process.pid, port });
  const at = `127.0.0.1:${port} ${tester.stateDir}/scratch/${result?.runId}/data`;
  const logged = (await readFile(boots, 'utf8')).trimEnd().split('\n');
  expect(logged).toEqual([`${at} unwritten`, `${at} written`, `${at} written`]);
});
