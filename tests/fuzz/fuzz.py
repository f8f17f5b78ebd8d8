"""Fuzz one decoder by coverage; `tests/fuzz.sh` builds what it needs and calls it.

python fuzz.py TARGET CORPUS [options of libFuzzer]
"""

import sys

import atheris
from targets import TARGETS


def main() -> None:
    """Run until the options say that it is enough, or something is found."""
    run = TARGETS[sys.argv.pop(1)]
    atheris.Setup(sys.argv, run)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
