import { describe, expect, it } from 'vitest';
import { mountOf, parseMounts, placeOnDevice, readMounts } from '../../../../src/io/files/mounts.ts';

const TABLE = `22 1 254:0 / / rw,noatime shared:1 - ext4 /dev/vda rw
40 22 0:33 / /tank/db\\040one rw,noatime shared:20 master:3 - zfs tank/db\\040one rw,xattr,noacl
41 40 0:34 / /tank/db\\040one/wal rw - zfs tank/db\\040one/wal rw
42 22 0:33 /data /srv/bound rw - zfs tank/db\\040one rw
43 22 0:35 / /tank/db\\040one/wal rw - tmpfs none rw
`;

describe('the mount table', () => {
  const mounts = parseMounts(TABLE);

  it('gives each mount’s source and root, with optional fields or without, and blanks as they are', () => {
    expect(mounts).toHaveLength(5);
    expect(mounts[1]).toEqual({ device: '0:33', root: '/', mountPoint: '/tank/db one', fileSystem: 'zfs', source: 'tank/db one' });
    expect(mounts[3]).toEqual({ device: '0:33', root: '/data', mountPoint: '/srv/bound', fileSystem: 'zfs', source: 'tank/db one' });
  });

  it('finds what a path lies on: the deepest mount, and of two on one folder the last', () => {
    expect(mountOf(mounts, '/tank/db one/data')?.source).toBe('tank/db one');
    expect(mountOf(mounts, '/tank/db one/wal')?.source).toBe('none');
    expect(mountOf(mounts, '/tank/db ones')?.source).toBe('/dev/vda');
    expect(mountOf(mounts, '/srv/bound/wal')?.root).toBe('/data');
  });

  it('gives two paths of one file the same place, whichever mount they lead through', () => {
    expect(placeOnDevice(mounts, '/srv/bound/wal/1')).toBe('0:33/data/wal/1');
    expect(placeOnDevice(mounts, '/tank/db one/data/wal/1')).toBe('0:33/data/wal/1');
    expect(placeOnDevice(mounts, '/tank/db one')).toBe('0:33');
    expect(placeOnDevice(mounts, '/etc/hosts')).toBe('254:0/etc/hosts');
  });

  it('of this machine has a root', async () => {
    expect(mountOf(await readMounts(), '/')?.mountPoint).toBe('/');
  });
});
