"""All that belongs to 2002 alone: the root of Red Hat 7.2, Linux 2.4, OpenGFS, linuxrc."""
