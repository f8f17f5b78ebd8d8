"""Rules that ledgers are held to: files checked against their schema, installed by version."""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

import msgspec

from tidegate.core.errors import InputError, SinkError, SourceError
from tidegate.core.formats.wholefiles import written
from tidegate.core.home import home_folder, made_folder, safe_name

__all__ = [
    "MaxAmount",
    "MaxLate",
    "MaxPerWindow",
    "Required",
    "Rule",
    "RuleSet",
    "install_rules",
    "installed_rules",
    "read_rules",
]

MAX_BYTES = 1 << 20
CURRENT = "current.json"


class _Rule(msgspec.Struct, tag_field="kind", forbid_unknown_fields=True, frozen=True):
    """What every rule has: an id that findings name."""

    id: str


class MaxAmount(_Rule, tag="max_amount", frozen=True):
    """No single filing above `limit`."""

    limit: int | float


class MaxPerWindow(_Rule, tag="max_per_window", frozen=True):
    """The amounts of a window (of a key) add up to `limit` at most."""

    limit: int | float


class MaxLate(_Rule, tag="max_late", frozen=True):
    """At most `limit` late filings a window (of a key)."""

    limit: int


class Required(_Rule, tag="required", frozen=True):
    """Every filing has a value in each of `fields`; an empty text is none."""

    fields: list[str]


Rule: TypeAlias = MaxAmount | MaxPerWindow | MaxLate | Required


class RuleSet(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A file of rules.

    Attributes
    ----------
    name, version : str
        Of letters, digits, ``_``, ``-`` and ``.``.
    rules : list
        One at least, each with an ``id`` of its own and a ``kind``: ``max_amount``,
        ``max_per_window`` and ``max_late`` have a ``limit``, ``required`` has ``fields``.
    """

    name: str
    version: str
    rules: list[Rule]

    def __post_init__(self) -> None:
        safe_name(self.name, "name")
        safe_name(self.version, "version")
        if f"{self.version}.json" == CURRENT:
            raise InputError("version 'current': give a version of its own")
        ids = [rule.id for rule in self.rules]
        if not ids or not all(ids) or len(set(ids)) < len(ids):
            raise InputError("rules: give one at least, each with an id of its own")
        for rule in self.rules:
            if isinstance(rule, Required) and not rule.fields:
                raise InputError(f"rule {rule.id!r}: fields is empty; name one at least")
            if not isinstance(rule, Required) and not rule.limit >= 0:
                raise InputError(f"rule {rule.id!r}: limit is {rule.limit}; give 0 or more")

    @property
    def title(self) -> str:
        """Name and version."""
        return f"{self.name} {self.version}"


def read_rules(path: Path) -> RuleSet:
    """Read a rule file and check it against the schema.

    Parameters
    ----------
    path : Path
        ``.json`` or ``.toml``.

    Raises
    ------
    SourceError
        If it cannot be read, or is not as the schema says.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> text = '{"name": "aml", "version": "1", "rules": ['
    >>> text += '{"kind": "max_amount", "id": "big", "limit": 10000}]}'
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "rules.json")
    ...     _ = path.write_text(text)
    ...     read_rules(path).rules
    [MaxAmount(id='big', limit=10000)]
    """
    suffix = path.suffix.lower()
    if suffix not in (".json", ".toml"):
        raise SourceError(f"{path}: rules are in .json or .toml; name it so")
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except FileNotFoundError as error:
        raise SourceError(f"{path}: there is no such file; check the path") from error
    except OSError as error:
        raise SourceError(f"{path}: cannot be read: {error.strerror}") from error
    if len(content) > MAX_BYTES:
        raise SourceError(f"{path}: is longer than {MAX_BYTES} bytes")
    decode = msgspec.toml.decode if suffix == ".toml" else msgspec.json.decode
    try:
        return decode(content, type=RuleSet)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        reason = str(error).replace("`", "").partition("\n")[0][:300]
        raise SourceError(f"{path}: {reason}; mend the file") from error


def install_rules(rules: RuleSet) -> Path | None:
    """Install a set of rules by its version, and make it the current one.

    Returns
    -------
    Path or None
        Where it is now; None if this version was installed and current already.

    Raises
    ------
    InputError
        If this version is installed with other rules.
    SinkError
        If it cannot be written.
    """
    folder = made_folder(home_folder("rules") / rules.name)
    place, current = folder / f"{rules.version}.json", folder / CURRENT
    text = msgspec.json.format(msgspec.json.encode(rules), indent=2) + b"\n"
    try:
        known = place.read_bytes() if place.exists() else None
        was_current = current.read_bytes() if current.exists() else None
    except OSError as error:
        raise SinkError(f"{folder}: cannot be read: {error.strerror}") from error
    if known is not None and known != text:
        raise InputError(
            f"{place}: version {rules.version} is installed with other rules; give the changed "
            "ones a new version"
        )
    if known == was_current == text:
        return None
    for path in (place, current):
        with written(path) as stream:
            stream.write(text)
    return place


def installed_rules() -> list[RuleSet]:
    """Read the current rules of every name, sorted by name.

    Raises
    ------
    SourceError
        If an installed file is damaged.
    """
    return [read_rules(path) for path in sorted(home_folder("rules").glob(f"*/{CURRENT}"))]
