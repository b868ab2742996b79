"""Installed as the module ``pyNN.cosim``, so that PyNN finds this backend by its name.

Scripts that let the user choose a simulator (``pyNN.utility.get_simulator``) import
``pyNN.<name>``. Importing the backend enters it under this very name.
"""

import cosim.pynn  # noqa: F401
