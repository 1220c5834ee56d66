#!/bin/busybox sh
# shellcheck shell=dash
# The first program of a kernel in the tests: mounts /dev/ubda and writes the file "sparse" in it to /dev/ubdb,
# as a tar archive, with the holes that the kernel reports.
# Prints "work: done" when nothing failed.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
set -e
trap 'busybox poweroff -f' EXIT
busybox mount -t sysfs sys /sys
busybox mount -t devtmpfs dev /dev 2>/dev/null || true
busybox modprobe gfs2
busybox mount -t gfs2 -o ro,lockproto=lock_nolock /dev/ubda /sysroot
tar -C /sysroot --sparse --hole-detection=seek -cf /dev/ubdb sparse
busybox umount /sysroot
echo "work: done"
