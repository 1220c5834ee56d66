"""cluster_mkinitrd, a script like Red Hat's mkinitrd 3.2: it fills an ext2 image in a loop mount."""

from typing import Final

CLUSTER_MKINITRD: Final = r"""#!/bin/sh
# cluster_mkinitrd [--uml] [-f] IMAGE KERNEL: makes the ramdisk of a cluster node.
#
# It loads GFS's modules, assembles the pools and mounts the shared root. With --uml for a node that is a
# User-Mode Linux, which needs no driver for its network card.

PATH=/sbin:/usr/sbin:/bin:/usr/bin
export PATH
umask 022

usage() {
    echo "usage: cluster_mkinitrd [--uml] [-f] IMAGE KERNEL" >&2
    exit 1
}

fail() {
    echo "$*" >&2
    exit 1
}

uml=
force=
while :; do
    case ${1-} in
    --uml) uml=yes ;;
    -f) force=yes ;;
    -*) usage ;;
    *) break ;;
    esac
    shift
done
[ $# -eq 2 ] || usage
target=$1
kernel=$2
moddir=/lib/modules/$kernel

[ -n "$force" ] || [ ! -e "$target" ] || fail "$target already exists."
[ -d "$moddir" ] || fail "$moddir is not a directory."

modules="pool lock_harness nolock memexp gfs"
if [ -z "$uml" ]; then
    card=$(sed -n 's/^alias eth0 //p' /etc/modules.conf)
    modules="${card:-dummy} $modules"
fi

image=$(mktemp /tmp/initrd.img.XXXXXX) || fail "no room for the image"
mnt=$(mktemp -d /tmp/initrd.mnt.XXXXXX) || fail "no room for the mount point"
mounted=
clean() {
    [ -z "$mounted" ] || umount "$mnt"
    rm -f "$image"
    rmdir "$mnt"
}
trap clean EXIT

files=
for module in $modules; do
    file=$(find "$moddir" -name "$module.o" | head -n 1)
    [ -n "$file" ] || fail "No module $module found for kernel $kernel, aborting."
    files="$files $file"
done

dd if=/dev/zero of="$image" bs=1k count=8000 2>/dev/null || fail "Cannot write $image."
mke2fs -q -F -m 0 "$image" >/dev/null || fail "Cannot make a file system in $image."
mount -t ext2 -o loop "$image" "$mnt" || fail "Can't get a loopback device"
mounted=yes
rm -rf "$mnt/lost+found"

mkdir "$mnt/bin" "$mnt/dev" "$mnt/dev/pool" "$mnt/dev/ubd" "$mnt/etc" "$mnt/lib" "$mnt/proc" "$mnt/sysroot" ||
    fail "The image is full."
ln -s bin "$mnt/sbin"
cp /bin/busybox "$mnt/bin/sh" || fail "The image is full."
for applet in mount umount pivot_root echo; do
    ln -s sh "$mnt/bin/$applet"
done
cp /sbin/insmod.static "$mnt/bin/insmod" || fail "The image is full."
if [ -x /sbin/passemble ]; then
    cp /sbin/passemble "$mnt/bin/passemble" || fail "The image is full."
else
    echo "OpenGFS's tools are not installed: the ramdisk will assemble no pool." >&2
fi

mknod "$mnt/dev/console" c 5 1 || fail "Cannot make devices."
mknod "$mnt/dev/null" c 1 3
mknod "$mnt/dev/systty" c 4 0
mknod "$mnt/dev/ram" b 1 1
for disk in 0 1 2; do
    mknod "$mnt/dev/ubd/$disk" b 98 $((disk * 16))
done

{
    echo "#!/bin/sh"
    echo "mount -t proc none /proc"
    for file in $files; do
        name=${file##*/}
        echo "echo Loading ${name%.o} module"
        echo "insmod /lib/$name"
    done
    echo "passemble"
    echo "mount -t gfs /dev/pool/pool0 /sysroot"
    echo "umount /proc"
    echo "cd /sysroot"
    echo "pivot_root . initrd"
} >"$mnt/linuxrc"
chmod 755 "$mnt/linuxrc"
for file in $files; do
    cp "$file" "$mnt/lib" || fail "The image is full."
done

umount "$mnt" || fail "Cannot unmount the image."
mounted=
gzip -9 <"$image" >"$target" || fail "Cannot write $target."
"""
