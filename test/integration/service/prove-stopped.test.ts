import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, open, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { proveStopped } from '../../../src/io/service/prove-stopped.ts';
import { createUnmanagedService } from '../../../src/io/service/create-service.ts';
import { freePort } from '../../support/free-port.ts';

describe('proveStopped', () => {
  let folder: string;
  let segment: string;
  let port: number;
  const children: ChildProcess[] = [];

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'rstow-prove-'));
    segment = join(folder, 'data', 'wal', '0000000000000001.wal');
    await mkdir(join(folder, 'data', 'wal'), { recursive: true });
    await writeFile(segment, 'x');
    port = await freePort();
  });

  afterEach(async () => {
    for (const child of children.splice(0)) child.kill('SIGKILL');
    await rm(folder, { recursive: true, force: true });
  });

  const prove = (dataDir = join(folder, 'data'), timeoutMs = 200) =>
    proveStopped({ service: createUnmanagedService(), dataDir, address: { host: '127.0.0.1', port }, timeoutMs });

  async function started(holder: ChildProcess): Promise<ChildProcess> {
    children.push(holder);
    await once(holder.stdout!, 'data');
    return holder;
  }

  /** As a server does. */
  async function holdSegment(): Promise<ChildProcess> {
    return started(spawn('sh', ['-c', 'exec 9>>"$0"; echo open; exec sleep 60', segment], { stdio: ['ignore', 'pipe', 'ignore'] }));
  }

  test('holds where nothing is left, also without a data directory', async () => {
    await prove();
    await prove(join(folder, 'missing'));
  });

  test('names the process that has a segment open for writing, even a deleted one and through a symbolic link', async () => {
    const holder = await holdSegment();
    await rm(segment);
    await symlink(join(folder, 'data'), join(folder, 'link'));
    for (const dataDir of [join(folder, 'data'), join(folder, 'link')]) {
      await expect(prove(dataDir)).rejects.toMatchObject({
        code: 'service-stop-failed',
        details: { port, processes: [`${holder.pid} (sleep)`] },
      });
    }
  });

  test('does not mind who only reads a segment, such as a person with tail', async () => {
    await started(spawn('tail', ['-f', segment], { stdio: ['ignore', 'pipe', 'ignore'] }));
    await prove();
  });

  test('names a port that answers', async () => {
    const server = createServer().listen(port, '127.0.0.1');
    await once(server, 'listening');
    try {
      await expect(prove()).rejects.toThrow(`port 127.0.0.1:${port} answers`);
    } finally {
      server.close();
    }
  });

  test('waits for what is about to end', async () => {
    const holder = await holdSegment();
    const proved = prove(join(folder, 'data'), 5_000);
    setTimeout(() => holder.kill('SIGKILL'), 300);
    await proved;
    expect(holder.signalCode ?? (await once(holder, 'exit'))[1]).toBe('SIGKILL');
  });

  test('does not mind the files that this process itself has open', async () => {
    const own = await open(segment, 'r');
    try {
      await prove();
    } finally {
      await own.close();
    }
  });
});
