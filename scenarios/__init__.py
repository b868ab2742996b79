"""Ready experiments: each a plain PyNN script that also runs by itself.

A module here has a ``main(argv)`` that runs the script and may have ``score(experiment, result)``,
a task metric computed from any engine's Result. The first line of its docstring is its title.
"""
