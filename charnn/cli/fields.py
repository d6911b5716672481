r"""Texts as fields of tab-separated rows: a reversible escape, so that a row is one line for every reader.

A backslash is written \\, a tab \t, a newline \n, a carriage return \r; other control characters, line and paragraph
separators and lone surrogates \xNN or \uNNNN. Nothing else is changed: a reader undoes it one backslash at a time.
"""

import re

_ESCAPED = re.compile("[\\\\\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_SHORT = {"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"}


def escape_field(text: str) -> str:
    """`text` without tabs and line ends."""
    return _ESCAPED.sub(lambda found: _escape(found[0]), text)


def _escape(character: str) -> str:
    point = ord(character)
    return _SHORT.get(character) or (f"\\x{point:02x}" if point < 0x100 else f"\\u{point:04x}")
