/**
 * `node scripts/evidence/archive/under-load.ts [MINUTES] [FSYNC_POLICY]`: the archive beside 16 writers at full speed, with a COMPACT
 * forced every five seconds, on a server that syncs every write or as the policy says; docs/evidence.md keeps the outcome. Needs rstmdb and temporal on PATH, and Linux's /proc.
 */
import { loadArchive } from '../../../test/support/archive-load.ts';
import { openArchivedHost } from '../../../test/support/archived-host.ts';
import { startOwnServices } from '../../../test/support/own-services.ts';

const LAG_P99_MS_MAX = 1_500;
const RSS_MB_MAX = 150;

const [minutes = '20', policy = 'every_write'] = process.argv.slice(2);
const services = await startOwnServices();
try {
  const host = await openArchivedHost(services, {
    segmentSizeMb: policy === 'every_write' ? 4 : 64,
    serverEnv: { RSTMDB_FSYNC_POLICY: policy },
  });
  try {
    const load = await loadArchive(host, { seconds: Number(minutes) * 60, idleSeconds: 60 });
    console.log(JSON.stringify(load, undefined, 2));
    const { lag, peakRssMb, idleRssMb } = load;
    const isHeld = lag.missing === 0 && lag.p99Ms <= LAG_P99_MS_MAX && peakRssMb - idleRssMb <= RSS_MB_MAX;
    console.log(isHeld ? 'held' : 'BROKEN');
    process.exitCode = isHeld ? 0 : 1;
  } finally {
    await host.close();
  }
} finally {
  await services.stop();
}
