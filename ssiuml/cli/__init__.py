"""The commands, a module each. Besides dodo.py they alone print results and exit."""
