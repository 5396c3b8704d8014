/** What a user would pick instead. Scripts read $DATA, keep things in $STORE and restore into $OUT; `sh -eu` runs them. */
import type { Step } from '../measure/cost.ts';

export type ShellContestant = {
  name: string;
  /** Programs that must be on PATH, and how to get them. */
  needs: { program: string; howToGet: string }[];
  /** Not measured. */
  prepare?: string;
  steps: Partial<Record<Step, string>>;
};

/**
 * The script that rstmdb's own guide gives: copy, tar czf, rm. Its sleep and its compaction are left out in its favour,
 * and `cp -r snapshots/*` copies the folder, for from about 25,000 snapshots on its list of arguments is too long.
 */
const seedBackup = (name: string): string => `
  mkdir -p "$STORE/${name}/wal"
  if [ -d "$DATA/snapshots" ]; then cp -r "$DATA/snapshots" "$STORE/${name}/snapshots"; fi
  cp -r "$DATA"/wal/* "$STORE/${name}/wal/"
  tar -czf "$STORE/${name}.tar.gz" -C "$STORE" ${name}
  rm -rf "$STORE/${name}"`;

const seed: ShellContestant = {
  name: 'cp, tar czf, rm',
  needs: [{ program: 'tar', howToGet: 'apt-get install tar' }],
  steps: {
    full: seedBackup('first'),
    grown: seedBackup('second'),
    verify: 'tar -tzf "$STORE/second.tar.gz" >/dev/null',
    restore: 'mkdir -p "$OUT"; tar -xzf "$STORE/second.tar.gz" -C "$OUT"',
  },
};

const tarBackup = (name: string): string => `tar -cf - -C "$DATA" . | zstd -T0 -1 -q -o "$STORE/${name}.tar.zst"`;

const tarZstd: ShellContestant = {
  name: 'tar, zstd -T0 -1',
  needs: [{ program: 'zstd', howToGet: 'apt-get install zstd' }],
  steps: {
    full: tarBackup('first'),
    grown: tarBackup('second'),
    verify: 'zstd -dc "$STORE/second.tar.zst" | tar -tf - >/dev/null',
    restore: 'mkdir -p "$OUT"; zstd -dc "$STORE/second.tar.zst" | tar -xf - -C "$OUT"',
  },
};

const resticBackup = 'restic backup -q "$DATA"';

const restic: ShellContestant = {
  name: 'restic',
  needs: [{ program: 'restic', howToGet: 'apt-get install restic' }],
  prepare: 'restic init -q',
  steps: {
    full: resticBackup,
    unchanged: resticBackup,
    grown: resticBackup,
    verify: 'restic check -q --read-data',
    restore: 'restic restore -q latest --target "$OUT"',
  },
};

export const shellContestants: readonly ShellContestant[] = [seed, tarZstd, restic];
