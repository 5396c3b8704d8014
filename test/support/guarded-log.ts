/** Servers with one record a segment, whose log a test's own guard looks after. */
import { readdir } from 'node:fs/promises';
import { expect } from 'vitest';
import { openDatabase } from '../../src/database/database.ts';
import type { GuardFact } from '../../src/database/guard-facts.ts';
import { createGuard } from '../../src/database/guard-look.ts';
import { parseSegmentFileName } from '../../src/core/wal/wal-offset.ts';
import { compactNow, writeCounters } from './compactable-log.ts';
import { DATABASE, type DatabaseStack } from './database-stack.ts';
import { oddSource } from './odd-source.ts';

/** Each COMPACT deletes all but the last segments. Each look is that of a guard that has just been started. */
export async function guarded(): Promise<{ stack: DatabaseStack; look: () => Promise<GuardFact[]> }> {
  const stack = await oddSource({ segmentSizeMb: 0 });
  await writeCounters(stack.address, { count: 8 });
  return { stack, look: () => createGuard(openDatabase(stack, DATABASE)).look() };
}

/** Gives how many segments that deleted. */
export async function compactAway(stack: DatabaseStack): Promise<number> {
  const { segmentsDeleted } = await compactNow(stack);
  expect(segmentsDeleted).toBeGreaterThan(5);
  return segmentsDeleted;
}

export async function restart({ service, startServer }: DatabaseStack): Promise<void> {
  await service.stop();
  await startServer();
}

export async function segmentsOf(folder: string): Promise<number[]> {
  const segments = (await readdir(folder)).map(parseSegmentFileName).filter((segment) => segment !== undefined);
  return segments.sort((a, b) => a - b);
}

export const kinds = (facts: GuardFact[]): string[] => facts.map(({ kind }) => kind);
