import pytest

from charnn.data.documents import FILE_END, mark_of, marked, marked_records, separator_of


def documents_of(files: list[str], kind: str, size: int) -> list[str]:
    pieces = []
    for number, text in enumerate(files):
        pieces += [FILE_END] * (number > 0)
        pieces += [text[i : i + size] for i in range(0, len(text), size)]
    text = "".join(marked(pieces, kind, separator_of(kind, files[0])))
    assert text.startswith(mark_of(kind)) and text.endswith(mark_of(kind))
    return [document for document in text.split(mark_of(kind)) if document]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize(
    ("kind", "files", "expected"),
    [
        ("lines", ["\n\n a\nb  \n\nc", "d\n"], [" a", "b  ", "c", "d"]),
        ("paragraphs", ["\n\na\nb\n\nc\n \n\n  d\n e\n\n", "f"], ["a\nb", "c", "  d\n e", "f"]),
        ("files", ["a\n\nb\n", "\n", "c", "", "d\n"], ["a\n\nb\n", "c", "d\n"]),
        ("%", ["%\na 100%\nb\n%\nc\n%\n%\n%\nd\n%"], ["a 100%\nb", "c", "d"]),
        ("|", ["a|b||c\n|\nd", "e"], ["a", "b", "c", "d", "e"]),
        ("<|e|>", ["one<|e|>two<|e|><|e|>three"], ["one", "two", "three"]),
        ("\n", ["a\n\nb\n", "c"], ["a", "b", "c"]),
        ("\n\n", ["a\n\n\nb\nc\n\n\n\n", "d"], ["a", "b\nc", "d"]),
        ("\n%\n", ["a\n%\n%\nb\n", "%\nc"], ["a", "b", "c"]),
        ("paragraphs", ["  \n ", "\t\n"], []),
        ("lines", [""], []),
    ],
)
def test_however_text_is_cut_into_pieces_its_documents_are_the_same(
    kind: str, files: list[str], expected: list[str], size: int
) -> None:
    assert documents_of(files, kind, size) == expected


def test_records_of_nothing_but_white_space_are_left_out() -> None:
    mark = mark_of("records")
    assert "".join(marked_records(["a\nb", " \n", "", "c"])) == f"{mark}a\nb{mark}c{mark}"


def test_a_separator_is_written_as_it_stands_in_the_text() -> None:
    assert separator_of("%", "a\n%\nb") == "\n%\n"
    assert separator_of("|", "a|b") == "|"
    assert separator_of("lines") == "\n"
    assert separator_of("files") == "\n\n"
