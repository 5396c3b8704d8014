/**
 * What a guest with ZFS is made of: Debian's cloud kernel, the modules that DKMS builds for it, and an image that QEMU boots. All of it is
 * made once a machine, and kept in .tools/hosts/: the modules alone take ten minutes and more.
 */
import { cp, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { cachedFolder, rootFileSystem, runOrThrow } from './root-file-system.ts';

const PACKAGES = [
  'initramfs-tools',
  'iproute2',
  'kmod',
  'linux-image-cloud-amd64',
  'openssh-server',
  'procps',
  'systemd-sysv',
  'udev',
  'zfsutils-linux',
  'zstd',
];

/** zfs-dkms is in `contrib`, for its licence. */
const COMPONENTS = ['main', 'contrib'];

const MODULES_TIMEOUT_MS = 3_600_000;
const IMAGE_TIMEOUT_MS = 600_000;

export type GuestImage = {
  kernel: string;
  initrd: string;
  /** Never written to: QEMU keeps what a guest changes elsewhere. */
  disk: string;
  /** Lets root in by ssh. */
  keyFile: string;
};

/** Makes what is not there yet. Needs root, mmdebstrap, mke2fs, ssh-keygen. */
export async function zfsGuestImage(): Promise<GuestImage> {
  const root = await rootFileSystem({ packages: PACKAGES, components: COMPONENTS });
  const kernel = await kernelOf(root);
  const modules = await zfsModules(root, kernel);
  const parts = [basename(root), basename(modules), GUEST_SETUP];
  const folder = await cachedFolder('zfs-guest', parts, (made) => makeImage(made, { root, modules, kernel }));
  return {
    kernel: join(folder, 'vmlinuz'),
    initrd: join(folder, 'initrd.img'),
    disk: join(folder, 'root.img'),
    keyFile: join(folder, 'key'),
  };
}

async function kernelOf(root: string): Promise<string> {
  const [kernel, ...others] = await readdir(join(root, 'lib/modules'));
  if (kernel === undefined || others.length > 0) throw new Error(`${root} has one kernel, not ${[kernel, ...others].join(', ')}`);
  return kernel;
}

/** Compilers and headers lie in an overlay that is thrown away: of all that is built only the modules are kept. */
const BUILD_MODULES = `
set -e
root=$1 work=$2 made=$3 kernel=$4
mkdir -p "$work/upper" "$work/work" "$work/root"
mount -t overlay overlay -o "lowerdir=$root,upperdir=$work/upper,workdir=$work/work" "$work/root"
mount -t proc proc "$work/root/proc"
export DEBIAN_FRONTEND=noninteractive
chroot "$work/root" apt-get update -qq
nice -n 15 chroot "$work/root" apt-get install -y -qq --no-install-recommends "linux-headers-$kernel" build-essential zfs-dkms
mkdir -p "$made"
cp -a "$work/root/lib/modules/$kernel/updates" "$made/"
ls "$made"/updates/dkms/zfs.ko*
`;

/** Built anew for each kernel, and for nothing else. */
async function zfsModules(root: string, kernel: string): Promise<string> {
  return cachedFolder('zfs-modules', [kernel], async (made) => {
    const work = await mkdtemp(join(tmpdir(), 'rstow-zfs-modules-'));
    try {
      await inPrivateMounts(BUILD_MODULES, [root, work, made, kernel], MODULES_TIMEOUT_MS);
    } finally {
      await rm(work, { recursive: true, force: true });
    }
  });
}

/** Its network is QEMU's own, without a way out. What only a whole host needs would cost its boot seconds. */
const GUEST_SETUP = `
set -e
root=$1
ln -sf /lib/systemd/system/systemd-networkd.service "$root/etc/systemd/system/multi-user.target.wants/systemd-networkd.service"
printf '[Match]\\nName=en* eth*\\n[Network]\\nAddress=10.0.2.15/24\\nGateway=10.0.2.2\\n' > "$root/etc/systemd/network/10-qemu.network"
printf '/dev/vda / ext4 rw,noatime 0 0\\n' > "$root/etc/fstab"
printf 'rstow-zfs\\n' > "$root/etc/hostname"
printf '127.0.0.1 localhost rstow-zfs\\n' > "$root/etc/hosts"
printf 'zfs\\n' > "$root/etc/modules-load.d/zfs.conf"
printf 'options zfs zfs_arc_max=134217728\\n' > "$root/etc/modprobe.d/zfs.conf"
printf 'UseDNS no\\nPermitRootLogin prohibit-password\\n' > "$root/etc/ssh/sshd_config.d/rstow.conf"
for unit in apt-daily.timer apt-daily-upgrade.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer zfs-import-cache.service \\
  zfs-import-scan.service zfs-mount.service zfs-share.service zfs-zed.service getty@tty1.service serial-getty@ttyS0.service \\
  systemd-networkd-wait-online.service systemd-timesyncd.service; do
  ln -sf /dev/null "$root/etc/systemd/system/$unit"
done
`;

type Parts = { root: string; modules: string; kernel: string };

async function makeImage(made: string, { root, modules, kernel }: Parts): Promise<void> {
  await mkdir(made);
  const guest = join(made, 'root');
  try {
    await runOrThrow('cp', ['-a', root, guest], IMAGE_TIMEOUT_MS);
    await cp(join(modules, 'updates'), join(guest, 'lib/modules', kernel, 'updates'), { recursive: true });
    await runOrThrow('chroot', [guest, 'depmod', kernel]);
    const setup = join(made, 'setup.sh');
    await writeFile(setup, GUEST_SETUP);
    await runOrThrow('sh', [setup, guest]);
    const keyFile = join(made, 'key');
    await runOrThrow('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', 'rstow', '-f', keyFile]);
    await mkdir(join(guest, 'root/.ssh'), { mode: 0o700, recursive: true });
    await cp(`${keyFile}.pub`, join(guest, 'root/.ssh/authorized_keys'));
    await cp(join(guest, 'boot', `vmlinuz-${kernel}`), join(made, 'vmlinuz'));
    await cp(join(guest, 'boot', `initrd.img-${kernel}`), join(made, 'initrd.img'));
    await runOrThrow('mke2fs', ['-q', '-t', 'ext4', '-d', guest, join(made, 'root.img'), '3G'], IMAGE_TIMEOUT_MS);
  } finally {
    await rm(guest, { recursive: true, force: true });
  }
}

/** Mounts that it makes end with it. */
async function inPrivateMounts(script: string, args: readonly string[], timeoutMs: number): Promise<void> {
  await runOrThrow('unshare', ['--mount', '--propagation', 'private', 'sh', '-c', script, 'sh', ...args], timeoutMs);
}
