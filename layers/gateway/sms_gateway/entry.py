"""Import the function's handler with the garbage collector off, for a faster start, and guard it.

Nearly all objects made at start stay alive. Scanning them takes an eighth of a cold start (see
docs/adr/README.md); frozen, they cost later collections nothing either.
"""

import gc
from importlib import import_module

gc.disable()
guard = import_module("sms_gateway.core.function_guard")
guard.silence_others()
handler = guard.guarded(import_module("app").handler)
gc.freeze()
gc.enable()
