#!/bin/busybox sh
# shellcheck shell=dash
# The first program of a kernel in the tests: mounts /dev/ubda and prints, in hexadecimal, 16 bytes at the beginning,
# in the middle and at the end of the file `large` of 8 GiB. Prints "ends: done" when nothing failed.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
set -e
trap 'busybox poweroff -f' EXIT
busybox mount -t proc proc /proc
busybox mount -t devtmpfs dev /dev 2>/dev/null || true
busybox modprobe gfs2
busybox mount -t gfs2 -o ro,lockproto=lock_nolock /dev/ubda /sysroot
cd /sysroot
echo "ends: size $(busybox stat -c %s large)"
for position in 0 268435456 536870911; do
    bytes=$(busybox dd if=large bs=16 skip=$position count=1 2>/dev/null | busybox hexdump -v -e '1/1 "%02x"')
    echo "ends: $bytes"
done
cd /
busybox umount /sysroot
echo "ends: done"
