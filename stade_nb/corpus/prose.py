"""English prose out of Python sources: what the docstrings say, without the code around it.

Sources are parsed, never imported: importing would need every optional dependency of a package
and could run anything. The result depends on the text of the files alone.
"""

import ast
import inspect
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path

MIN_LITERAL = 200  # characters; a shorter string that is no docstring is a message, not prose
MIN_WORDS = 8
MAX_WORD = 24  # letters; longer "words" are identifiers
MIN_LETTERS = 0.92  # share of letters, spaces and sentence punctuation

# reStructuredText and Markdown markup, replaced by the text it marks up
_MARKUP = [
    (re.compile(r":[a-zA-Z:]+:`~?!?([^`<]+?)(?:\s*<[^>]*>)?`"), r"\1"),  # :class:`~x`
    (re.compile(r"\[([^\]]+)\]\([^)]*\)"), r"\1"),  # [text](address)
    (re.compile(r"`([^`<]+?)\s*<[^>]*>`_+"), r"\1"),  # `text <address>`_
    (re.compile(r"`+([^`]+?)`+_*"), r"\1"),  # ``code``
    (re.compile(r"\*\*?([^*\s][^*]*)\*\*?"), r"\1"),  # *emphasis*
    (re.compile(r"\[\d+\]_?|\[[A-Z][\w ]*\d*\]_"), ""),  # [1]_ citations
]
_LIST_MARK = re.compile(r"^\s*(?:[-*+•]|\d+[.)]|\(?[a-z]\))\s+")
_FIELD = re.compile(r"^\s*(?::?(?:param|type|return|returns|rtype|raises|arg|keyword)\b[^:]*:)\s*")
_NAME = r"\*{0,2}[\w.\[\]`*]+"
_PARAMETER = re.compile(rf"^\s*{_NAME}(?:,\s*{_NAME})*\s*(?:\([^)]*\))?\s*:\s*(.*)$")
_UNDERLINE = re.compile(r"^\s*([-=~^*#\"'`+.])\1{2,}\s*$")
_CODE = re.compile(
    r">>>|^\s*\.\. |\\[a-zA-Z(\[{]|[{}<>|@~^$]|==|https?:|www\.|::|->|\bdef |\bimport "
)
_SENTENCE = re.compile(r"[A-Z][^.!?]*\s[^.!?]*[a-z][^.!?]*[.!?]", re.S)
_PLAIN = re.compile(r"[A-Za-z ,.;:!?'\"()-]")


def ascii_text(text: str) -> str:
    """The text in ASCII: typographic quotes and dashes replaced, accents stripped."""
    table = {"‘": "'", "’": "'", "“": '"', "”": '"', "–": "-", "—": "-", "…": "...", "\xa0": " "}
    text = text.translate(str.maketrans(table))
    decomposed = unicodedata.normalize("NFKD", text)
    return decomposed.encode("ascii", "ignore").decode("ascii")


def literals(source: str) -> Iterator[str]:
    """Docstrings and other long string literals of a Python source, in the order of the file.

    Long literals count because compiled functions get their documentation as a plain string
    (``add_docstr`` in torch, ``add_newdoc`` in numpy).
    """
    tree = ast.parse(source)
    found: dict[tuple[int, int], str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                value = first.value
                if isinstance(value.value, str):
                    found[value.lineno, value.col_offset] = value.value
        elif (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and len(node.value) >= MIN_LITERAL
        ):
            found[node.lineno, node.col_offset] = node.value
    for position in sorted(found):
        yield inspect.cleandoc(found[position])


def _blocks(text: str) -> Iterator[str]:
    """Runs of lines that belong together: cut at blank lines, list items and parameter names."""
    lines: list[str] = []
    indent = None
    source = [*text.splitlines(), ""]
    for number, line in enumerate(source):
        # a section title is the line above an underline; neither is prose
        if _UNDERLINE.match(line) or _UNDERLINE.match(source[min(number + 1, len(source) - 1)]):
            line = ""
        bare = line.strip()
        start = len(line) - len(line.lstrip())
        parameter = _PARAMETER.match(line)
        fresh = bool(_LIST_MARK.match(line) or _FIELD.match(line) or parameter)
        if lines and (not bare or fresh or (indent is not None and start != indent)):
            yield " ".join(lines)
            lines = []
        if not bare:
            indent = None
            continue
        if _FIELD.match(line):
            bare = _FIELD.sub("", line).strip()
        elif parameter:
            # "axis (int): Which axis …" describes a parameter and is kept without its name;
            # after "axis : int, optional" the description follows its type and goes with it
            bare = parameter.group(1).strip()
        else:
            bare = _LIST_MARK.sub("", line).strip()
        if bare:
            lines.append(bare)
        indent = None if fresh else start


def is_prose(paragraph: str) -> bool:
    """Whether a paragraph reads as English sentences rather than as code, a list or a table."""
    words = paragraph.split()
    if len(words) < MIN_WORDS or not paragraph[0].isupper() or paragraph[-1] not in ".!?":
        return False
    if _CODE.search(paragraph) or not _SENTENCE.search(paragraph):
        return False
    if any(len(word) > MAX_WORD for word in words):
        return False
    lower = sum(word.strip(".,;:!?'\"()-").islower() for word in words)
    if lower < 0.65 * len(words):
        return False
    return len(_PLAIN.findall(paragraph)) >= MIN_LETTERS * len(paragraph)


def paragraphs(text: str) -> Iterator[str]:
    """The prose paragraphs of one docstring, markup removed, one line each."""
    text = ascii_text(text)
    for pattern, replacement in _MARKUP:
        text = pattern.sub(replacement, text)
    for block in _blocks(text):
        paragraph = re.sub(r"\s+", " ", block).strip()
        if paragraph and is_prose(paragraph):
            yield paragraph


def template_key(paragraph: str) -> str:
    """What two instances of one template share: names, numbers and punctuation masked.

    Documentation repeats itself with other names in it ("Constructs a BERT tokenizer …"); such
    near-duplicates would let a model memorise instead of learn.
    """
    words = re.findall(r"[A-Za-z]+|\d+", paragraph)
    return " ".join(word.lower() for word in words if word[1:].islower() or len(word) == 1)


def prose_of_file(path: Path) -> list[str]:
    """The prose paragraphs of one Python file (none where it is not valid Python)."""
    try:
        source = path.read_text(encoding="utf-8")
        return [p for literal in literals(source) for p in paragraphs(literal)]
    except (SyntaxError, UnicodeDecodeError, ValueError):
        # templates and deliberately broken test inputs lie in some packages
        return []
