"""What tests of several parts need."""

from __future__ import annotations

import sys

import pytest

from cosim import cli


@pytest.fixture
def type_in(monkeypatch, capsys):
    """Types a command; gives its exit code, standard output and standard error."""

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["cosim", *map(str, words)])
        with pytest.raises(SystemExit) as end:
            cli.main()
        captured = capsys.readouterr()
        return end.value.code, captured.out, captured.err

    return run
