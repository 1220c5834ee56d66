"""The build appliance: a User-Mode Linux that fills a file system image, without root or a mount on the host.

It takes a tree as a tar archive on one disk and unpacks it into the image on another. It then mounts the
image again and writes what it finds to a third disk, as a tar archive. So the kernel and GNU tar report what
is in the image, not this project. It can also only read an image.
"""

from ssiuml.images.appliance.fill import Appliance, ImageContents

__all__ = ["Appliance", "ImageContents"]
