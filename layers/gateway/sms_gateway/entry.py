"""What Lambda starts: the function's own handler, imported without a look for garbage.

Nearly all that a start makes stays. Python's collector would go through it again and again, an
eighth of a start (see docs/decisions.md); frozen, it is no work for later collections either.
"""

import gc
from importlib import import_module

gc.disable()
handler = import_module("app").handler
gc.freeze()
gc.enable()
