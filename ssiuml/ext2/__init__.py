"""ext2 images, read without a kernel or a mount: the base of an image of 2001."""
