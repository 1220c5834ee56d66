#!/bin/busybox sh
# shellcheck shell=dash
# The first program of a kernel in the tests: mounts /dev/ubda, works in it as users do, unmounts it.
# Prints "work: done" when nothing failed.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
set -e
trap 'busybox poweroff -f' EXIT
busybox mount -t proc proc /proc
busybox mount -t sysfs sys /sys
busybox mount -t devtmpfs dev /dev 2>/dev/null || true
busybox modprobe gfs2
busybox mount -t gfs2 -o lockproto=lock_nolock /dev/ubda /sysroot
cd /sysroot
echo "work: before $(busybox df -k . | busybox tail -n 1)"
# Make files in the root, in directories of the writer (linear, and hashed with full leaves) and in a new one.
busybox mkdir fresh
for folder in . fresh "$@" many colliding empty; do
    number=0
    while [ $number -lt 700 ]; do
        echo "$folder $number" >"$folder/made-$number"
        number=$((number + 1))
    done
done
for name in sizes/*; do
    echo appended >>"$name"
done
busybox dd if=/dev/zero of=blocks/483 bs=4096 seek=20000 count=3 conv=notrunc 2>/dev/null || exit 1
busybox dd if=/dev/zero of=large bs=1M count=40 2>/dev/null || exit 1
for name in many/made-*5; do
    busybox mv "$name" "fresh/moved-${name##*/}"
done
busybox rm -r linked deep links/elsewhere names attributes many/00[0-7]*
busybox ln sizes/1 hard-link
busybox truncate -s 5000000 sizes/0
busybox rm fresh/made-*[02468] colliding/made-*
cd /
busybox umount /sysroot
echo "work: done"
