"""Prose out of Python sources: what is kept, what is left out."""

from stade_nb.corpus.prose import (
    ascii_text,
    is_prose,
    literals,
    paragraphs,
    prose_of_file,
    template_key,
)

SOURCE = '''
"""Module documentation starts the file."""

def norm(x):
    """Return the norm of an array, computed over all of its elements.

    Parameters
    ----------
    x : array_like
        An entry of a typed list is left out, together with its type.
    axis (int): The axis along which the :func:`norm <numpy.linalg.norm>` is taken, as a number.

    - A list item that reads as a whole sentence is kept as a paragraph too.

    >>> norm([3, 4])
    5.0
    """
    raise ValueError("Short messages are not prose, even though they are sentences.")

add_docstr(norm, """
Documentation that is attached to a compiled function is a plain string literal, and it is
kept because it is long enough to be documentation. Short literals are messages and are left
out, which this second sentence only says in order to make the literal long enough to count.
""")
'''


def test_the_prose_of_a_source_and_nothing_else(tmp_path):
    path = tmp_path / "source.py"
    path.write_text(SOURCE)
    assert prose_of_file(path) == [
        "Return the norm of an array, computed over all of its elements.",
        "The axis along which the norm is taken, as a number.",
        "A list item that reads as a whole sentence is kept as a paragraph too.",
        "Documentation that is attached to a compiled function is a plain string literal, and it "
        "is kept because it is long enough to be documentation. Short literals are messages and "
        "are left out, which this second sentence only says in order to make the literal long "
        "enough to count.",
    ]


def test_literals_come_in_the_order_of_the_file():
    found = list(literals(SOURCE))
    assert found[0] == "Module documentation starts the file."
    assert found[1].startswith("Return the norm")
    assert found[2].startswith("Documentation")


def test_section_titles_are_not_prose():
    title = "Notes about the method\n----------------------\n"
    text = title + "The method is exact for every input of full rank."
    assert list(paragraphs(text)) == ["The method is exact for every input of full rank."]


def test_code_tables_and_fragments_are_not_prose():
    assert not is_prose("x = {1: 2} and then some more words that follow it here.")
    assert not is_prose("See https://example.org for the whole story of this long function.")
    assert not is_prose("Too short a sentence.")
    assert not is_prose("no capital letter starts this sentence although it is long enough.")
    assert not is_prose("A sentence that never comes to an end and stops in the middle of")


def test_files_that_are_not_python_have_no_prose(tmp_path):
    path = tmp_path / "template.py"
    path.write_text("def {{ name }}():\n")
    assert prose_of_file(path) == []
    path.write_bytes(b'"""\xff\xfe not UTF-8"""')
    assert prose_of_file(path) == []


def test_typography_becomes_ascii():
    assert ascii_text("“naïve” — it’s…") == '"naive" - it\'s...'


def test_templates_with_other_names_have_one_key():
    one = template_key("Constructs a BertTokenizer that has 12 layers by default.")
    two = template_key("Constructs a RobertaTokenizer that has 24 layers by default.")
    assert one == two != template_key("Destroys a BertTokenizer that has 12 layers by default.")
