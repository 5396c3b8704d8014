import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { copyCheckoutIn, nodeIn, toolsImage } from '../support/guest-checkout.ts';
import { type QemuHost, startQemuHost } from '../support/qemu-host.ts';
import { lackForHosts } from '../support/root-file-system.ts';

const PART_TIMEOUT_MS = 3_500_000;
/** `RSTOW_KILLS=30 npm run test:zfs` for more. */
const KILLS = Number(process.env['RSTOW_KILLS'] ?? '10');

const lack = lackForHosts('mmdebstrap', 'mke2fs', 'qemu-system-x86_64', 'ssh');

/** A kernel with ZFS, two pools, a real rstmdb under load, and agents of this very checkout; Temporal is outside. */
describe.skipIf(lack !== undefined)(`ZFS${lack ?? ''}`, () => {
  let host: QemuHost;
  const temporalAddress = inject('temporalAddress');

  beforeAll(async () => {
    const tunnelPort = Number(temporalAddress.split(':').at(-1));
    host = await startQemuHost({ images: [await toolsImage()], disksMb: [4096, 4096], tunnelPort });
    await copyCheckoutIn(host, inject('workflowBundlePath'));
    await host.must('zpool create tank /dev/vdc && zpool create fresh /dev/vdd');
  });

  afterAll(() => host.close());

  async function inGuest(...args: string[]): Promise<Record<string, unknown>> {
    const [what = '', ...more] = args;
    const output = await host.must(nodeIn('test/zfs/in-guest.ts', what, temporalAddress, ...more), PART_TIMEOUT_MS);
    process.stdout.write(output);
    return JSON.parse(output.trim().split('\n').at(-1) ?? '') as Record<string, unknown>;
  }

  it('backs up files and stream under load, and all of it is there: from the pieces, and from the stream on another pool', async () => {
    expect(await inGuest('rounds')).toMatchObject({ received: { instances: expect.any(Number) as number } });
  });

  it('refuses what can’t be received before anything is, and leaves no dataset where it fails on the way', async () => {
    expect(await inGuest('refusals')).toEqual({
      exists: 'target-not-empty',
      'no such pool': 'invalid-input',
      'no mount point': 'target-not-allowed',
      'outside of the restore roots': 'target-not-allowed',
      'no stream': 'backup-not-found',
      'damaged stream': 'damaged-object',
    });
  });

  it('leaves no snapshot, dataset or note, whenever its agent is killed', async () => {
    expect(await inGuest('kills', String(KILLS))).toMatchObject({ kills: KILLS });
  });
});
