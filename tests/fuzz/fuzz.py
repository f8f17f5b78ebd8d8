"""Fuzz one decoder by coverage; `tests/fuzz.sh` builds what it needs and calls it.

python fuzz.py TARGET CORPUS [options of libFuzzer]
"""

import sys

import atheris

IN_PYTHON = {"avro_file", "snapshot"}  # much of what reads these is: its branches count too


def main() -> None:
    """Run until the options say that it is enough, or something is found."""
    target = sys.argv.pop(1)
    if target in IN_PYTHON:
        with atheris.instrument_imports(include=["tidegate"]):
            from targets import TARGETS
    else:
        from targets import TARGETS
    run = TARGETS[target]
    atheris.Setup(sys.argv, run)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
