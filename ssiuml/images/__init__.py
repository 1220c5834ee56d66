"""Root images: mkfs, the root file system with the tree in it, fsck, pools."""
