import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { blockServer } from '../../../../src/io/data-directory/server-block.ts';
import { finishSwap, planRollBack, swapWal } from '../../../../src/io/data-directory/swap.ts';
import { connectRstmdb } from '../../../../src/io/rstmdb/connect-rstmdb.ts';
import { listMachines } from '../../../../src/io/rstmdb/server.ts';
import { freePort } from '../../../support/free-port.ts';
import { toolPath } from '../../../support/tools.ts';
import { makeTemplates, noteOf, setScene } from './swap-scene.ts';

const SWAPS = 12;
const START_TIMEOUT_MS = 20_000;

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rstow-swap-respawn-'));
});

afterAll(async () => rm(folder, { recursive: true, force: true }));

/** A supervisor as systemd would be one with no restart delay: a server that ends is started again at once. */
class Respawner {
  readonly address: string;
  refusals = 0;
  readonly #dataDir: string;
  #child: ChildProcess | undefined;
  #ending = false;

  constructor(dataDir: string, port: number) {
    this.#dataDir = dataDir;
    this.address = `127.0.0.1:${port}`;
    this.#start();
  }

  /** The one that runs now; the next one starts at once. */
  async killCurrent(): Promise<void> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending = true;
    await this.killCurrent();
  }

  #start(): void {
    const env = { RSTMDB_BIND: this.address, RSTMDB_DATA: this.#dataDir, RSTMDB_COMPACT_ENABLED: 'false', RSTMDB_METRICS_ENABLED: 'false' };
    this.#child = spawn(toolPath('rstmdb'), [], { env, stdio: 'ignore' });
    this.#child.once('exit', (exitCode) => {
      if (exitCode !== null) this.refusals += 1;
      if (!this.#ending) this.#start();
    });
  }
}

async function machineServed(address: string): Promise<string> {
  const deadline = Date.now() + START_TIMEOUT_MS;
  for (;;) {
    try {
      const client = await connectRstmdb({ address, connectTimeoutMs: 2000, requestTimeoutMs: 2000 });
      const machines = await listMachines(client);
      await client.close();
      return machines.map(({ machine }) => machine).join(' and ');
    } catch (error) {
      if (Date.now() > deadline) throw error;
      await sleep(20);
    }
  }
}

it(
  'swaps to and fro under a supervisor that starts the server again and again, and it always serves the right data',
  { timeout: 60_000 },
  async () => {
    const dataDir = join(folder, 'data');
    let plan = await setScene(await makeTemplates(folder), dataDir, 'old');
    await using respawner = new Respawner(dataDir, await freePort());
    expect(await machineServed(respawner.address)).toBe('old');
    for (let swap = 1; swap <= SWAPS; swap += 1) {
      const note = noteOf(plan);
      await blockServer(dataDir, note);
      await respawner.killCurrent();
      await swapWal(dataDir, note);
      // Long enough for servers to try, and to fail, on what is now in place.
      await sleep(swap % 3 === 0 ? 40 : 0);
      expect(await finishSwap(dataDir, note)).toBe('new');
      expect(await machineServed(respawner.address)).toBe(swap % 2 === 1 ? 'new' : 'old');
      plan = planRollBack(plan);
    }
    expect(respawner.refusals).toBeGreaterThan(0);
  },
);
