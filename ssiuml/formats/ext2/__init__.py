"""Reads ext2, ext3 and ext4 images into a tree, without a kernel or a mount; nothing in them is trusted."""
