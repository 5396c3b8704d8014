import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { RstowError } from '../core/errors/rstow-error.ts';
import { durationText } from '../core/text/figures.ts';
import { processesWithOpenFilesUnder } from '../io/process/open-files.ts';
import { ping } from '../io/rstmdb/server.ts';
import { endHolders, proveStopped } from '../io/service/prove-stopped.ts';
import { parseServerAddress, portState } from '../io/service/ports.ts';
import type { Server } from './database.ts';

const STOP_PROOF_MS = 10_000;
/** A look reads all of /proc: it comes the more seldom, the longer the server takes, and costs no more than a twentieth of that. */
const POLL_MS_MIN = 50;
const POLL_MS_MAX = 1_000;
const POLL_SHARE = 20;

/**
 * Starts the server, or leaves the one that somebody else has started meanwhile, and waits for its first answer: it
 * replays its log before it opens its port. Fails: service-start-failed.
 */
export async function startServer(server: Server, signal?: AbortSignal): Promise<void> {
  let isStarted = false;
  await untilAnswered(server, async () => {
    signal?.throwIfAborted();
    if (await isReplaying(server)) return;
    if (isStarted) throw await ended(server, 'ended before it answered');
    isStarted = true;
    await startUnlessTaken(server);
  });
}

/** Sees to it that a server is there, and doesn't wait for its answer. Fails: service-start-failed. Twice: no-op. */
export async function launchServer(server: Server): Promise<void> {
  if (await isServing(server)) return;
  await startUnlessTaken(server);
}

/** Whether a server is there, be it one that still replays its log. */
export async function isServing(server: Server): Promise<boolean> {
  return (await isReplaying(server)) || (await answers(server));
}

/** Whether it is proved that no server runs: it doesn't answer, its port is closed, and nobody writes in its log. */
export async function isDown({ service, dataDir, address }: Server): Promise<boolean> {
  try {
    await proveStopped({ service, dataDir, address: parseServerAddress(address), timeoutMs: 0 });
    return true;
  } catch (error) {
    if (error instanceof RstowError) return false;
    throw error;
  }
}

/** Waits for the first answer of a server that was launched, and starts none. Fails: service-start-failed. */
export async function awaitServer(server: Server): Promise<void> {
  await untilAnswered(server, async () => {
    if (!(await isReplaying(server))) throw await ended(server, 'ended before it answered');
  });
}

/**
 * Ends the server, and whoever else writes in its log, and proves it: its process is gone, its port refuses, and nobody
 * holds wal/. Fails: service-stop-failed, service-unmanaged. Twice: no-op.
 */
export async function stopServer({ service, dataDir, address }: Server): Promise<void> {
  await service.stop();
  await endHolders(join(dataDir, 'wal'), { graceMs: service.stopGraceMs });
  await proveStopped({ service, dataDir, address: parseServerAddress(address), timeoutMs: STOP_PROOF_MS });
}

/** The token and TLS files, before anything depends on them; whether the server answers is no matter. Fails: invalid-config. */
export async function requireReadableSecrets(server: Server): Promise<void> {
  try {
    await server.ask(ping);
  } catch (error) {
    if (!(error instanceof RstowError) || error.code === 'invalid-config') throw error;
  }
}

async function untilAnswered(server: Server, check: () => Promise<void>): Promise<void> {
  const { startTimeoutMs } = server;
  const beganAtMs = performance.now();
  const deadlineMs = beganAtMs + startTimeoutMs;
  while (!(await answers(server))) {
    if (performance.now() >= deadlineMs) throw await ended(server, `did not answer within ${durationText(startTimeoutMs)}`);
    await check();
    await delay(Math.min(POLL_MS_MAX, Math.max(POLL_MS_MIN, (performance.now() - beganAtMs) / POLL_SHARE)));
  }
}

/** Ours, or that of somebody's own loop: two servers on one log would spoil it. */
async function isReplaying({ dataDir, service }: Server): Promise<boolean> {
  if (await service.isRunning()) return true;
  const writers = await processesWithOpenFilesUnder(join(dataDir, 'wal'), { ignorePid: process.pid, writersOnly: true });
  return writers.length > 0;
}

/** Somebody's own loop may have started the server between our look and our start. */
async function startUnlessTaken(server: Server): Promise<void> {
  try {
    await server.service.start();
  } catch (error) {
    if (!(await answers(server)) && !(await isReplaying(server))) throw error;
  }
}

/** A server that refuses the token is up as well, and so is one that can't be asked because ours can't be read. */
async function answers(server: Server): Promise<boolean> {
  try {
    await server.ask(ping);
    return true;
  } catch (error) {
    if (!(error instanceof RstowError)) throw error;
    if (error.code !== 'invalid-config') return error.code === 'server-refused';
    return (await portState(parseServerAddress(server.address), server.answerMs)).kind === 'open';
  }
}

async function ended({ address, service }: Server, what: string): Promise<RstowError> {
  const logTail = await service.logTail();
  const said = logTail.trim().split('\n').at(-1) ?? '';
  return new RstowError('service-start-failed', `the server at ${address} ${what}${said === '' ? '' : `: ${said}`}`, {
    details: { logTail },
  });
}
