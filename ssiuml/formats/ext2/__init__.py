"""ext2, ext3 and ext4 images, read into a tree without a kernel, a mount or any trust; see reader."""
