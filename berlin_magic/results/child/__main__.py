"""Run a program of this folder by its path: ``python -I __main__.py judge``.

The folder is imported as a package of its own, so that nothing else of `berlin_magic` is imported.
"""

import importlib
import sys
import types
from pathlib import Path

_NAME = "_berlin_check"

package = types.ModuleType(_NAME)
package.__path__ = [str(Path(__file__).parent)]
sys.modules[_NAME] = package
importlib.import_module(f"{_NAME}.{sys.argv[1]}").main()
