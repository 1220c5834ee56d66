"""The build appliance: a User-Mode Linux that fills a file system image without root or a mount here.

It takes a tree as a tar archive on one disk, unpacks it into the image on another, mounts the result a
second time and writes what it then sees to a third, as a tar archive again. So the kernel and GNU tar say
what is in the image, not this project. It also reads an image back that something else has filled.
"""

from ssiuml.images.appliance.fill import Appliance, ApplianceError, Filled

__all__ = ["Appliance", "ApplianceError", "Filled"]
