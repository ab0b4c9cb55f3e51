"""Tokens of a text: the first ones of a start are those of the whole; where BOS stands."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Regex, Tokenizer, normalizers, pre_tokenizers, trainers
from tokenizers.models import BPE, WordLevel, WordPiece
from tokenizers.processors import TemplateProcessing
from transformers import PreTrainedTokenizerFast

from stade_nb.errors import StadeError
from stade_nb.models import loading, tokenizing
from stade_nb.models.tokenizing import added_bos, bos_of, first_tokens, goes_by_word, tokenize

SPLITS = {
    "gpt2": pre_tokenizers.ByteLevel(add_prefix_space=False),
    "opt": pre_tokenizers.ByteLevel(add_prefix_space=True),
    "digits": pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel()]
    ),
    "whitespace": pre_tokenizers.Whitespace(),
    "bert": pre_tokenizers.BertPreTokenizer(),
} | {
    f"pattern {number}": pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(pattern), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    for number, pattern in enumerate(sorted(tokenizing._PATTERNS))
}
TRAINED_ON = [
    "the rain in Spain's 1234 plains, it's   mainly naïve café ... \n\n  the  end of a",
    "aaaa aaa a bb ab aab ba\n a\n\n b 12 345 6789 \t\t x_y <|endoftext|> don't we'll",
]


def trained(split, normalizer=None, model=None):
    """A small tokenizer of words with several tokens each, with BOS and EOS around a text."""
    made = Tokenizer(model or BPE(unk_token="?"))
    made.pre_tokenizer = split
    if normalizer is not None:
        made.normalizer = normalizer
    kind = trainers.WordPieceTrainer if isinstance(model, WordPiece) else trainers.BpeTrainer
    specials = ["?", "<s>", "</s>", "<|endoftext|>"]
    made.train_from_iterator(
        TRAINED_ON, kind(vocab_size=300, special_tokens=specials, show_progress=False)
    )
    made.post_processor = TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 1), ("</s>", 2)]
    )
    return PreTrainedTokenizerFast(tokenizer_object=made, bos_token="<s>", eos_token="</s>")


ALL = {name: trained(split) for name, split in SPLITS.items()}
ALL["NFC"] = trained(SPLITS["gpt2"], normalizers.NFC())
for form in ("NFD", "NFKC", "NFKD"):
    ALL[form] = trained(SPLITS["gpt2"], getattr(normalizers, form)())
ALL["embedded"] = trained(
    SPLITS["gpt2"],
    normalizers.Sequence(
        [
            normalizers.NFKD(),
            normalizers.Replace(Regex(r"\p{M}"), ""),
            normalizers.Replace(Regex(r"[^\x20-\x7e\n]"), "?"),
        ]
    ),
)
ALL["lower"] = trained(SPLITS["whitespace"], normalizers.Lowercase())
ALL["wordpiece"] = trained(SPLITS["bert"], model=WordPiece(unk_token="?"))
# fmt: off
PIECES = [
    "a", "ab", "don't", " ", "  ", "\n", "\n\n", "\t", "1", "1234", ",", "...", "'s", "_",
    "é", "e\u0301", "\ufb01", "²", "İ", "ß", "日本", "🙂", "\u00a0", "\u3000",
    "<|endoftext|>", "</s>", " the", " of",
]
# fmt: on


@pytest.mark.parametrize("name", ALL)
@given(
    pieces=st.lists(st.sampled_from(PIECES) | st.text(max_size=4), max_size=60),
    count=st.integers(1, 12),
    special=st.booleans(),
)
def test_the_first_tokens_of_a_start_are_those_of_the_whole_text(name, pieces, count, special):
    tokenizer, text = ALL[name], "".join(pieces)
    assert goes_by_word(tokenizer)
    options = {} if special else {"add_special_tokens": False}
    whole = tokenize(tokenizer, text, **options)
    before = tokenizing.CHARACTERS
    try:
        # Starts as short as can be, so that there are many of them.
        tokenizing.CHARACTERS = 1
        found = first_tokens(tokenizer, text, count, **options)
    finally:
        tokenizing.CHARACTERS = before
    assert found[:count] == whole[:count]
    assert len(found) >= min(count, len(whole))


def test_no_more_than_a_start_is_tokenized():
    tokenizer, seen = ALL["gpt2"], []

    class Watched:
        backend_tokenizer = tokenizer.backend_tokenizer
        num_special_tokens_to_add = tokenizer.num_special_tokens_to_add

        def __call__(self, text, **options):
            seen.append(len(text))
            return tokenizer(text, **options)

    text = "the rain in Spain " * 10_000
    assert first_tokens(Watched(), text, 50) == tokenize(tokenizer, text)[:50]
    assert sum(seen) < 2000


def made_of(**parts):
    """The tokenizer "gpt2" with some parts of its tokenizer.json changed."""
    content = json.loads(ALL["gpt2"].backend_tokenizer.to_str()) | parts
    return PreTrainedTokenizerFast(tokenizer_object=Tokenizer.from_str(json.dumps(content)))


def test_what_is_not_known_to_go_by_word_is_tokenized_whole():
    """Gemma's and Llama 2's make one word of a whole text; an added token may hold a space."""
    gemma = {"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious"}
    replaced = {"type": "Replace", "pattern": {"String": " "}, "content": "_"}
    assert not goes_by_word(made_of(pre_tokenizer=gemma | {"invert": False}))
    assert not goes_by_word(made_of(pre_tokenizer=None))
    assert not goes_by_word(made_of(normalizer=replaced))
    spaced = made_of()
    spaced.add_tokens(["two words"])
    assert not goes_by_word(spaced)
    assert not goes_by_word(object())
    text = "two words of " * 400
    assert first_tokens(spaced, text, 3) == tokenize(spaced, text)


@pytest.mark.parametrize("name", loading.embedded_models())
def test_the_embedded_models_go_by_word(name):
    _, tokenizer = loading.load(name)
    assert goes_by_word(tokenizer) and added_bos(tokenizer) is None


def test_a_long_text_is_announced(monkeypatch, capsys):
    monkeypatch.setattr(tokenizing, "LONG", 10)
    tokenize(ALL["gpt2"], "a b c")
    assert not capsys.readouterr().err
    tokenize(ALL["gpt2"], "a b c d e f g")
    assert capsys.readouterr().err == "stade_nb: tokenizing 0 million characters ...\n"


def test_which_bos_a_tokenizer_has():
    plain = Tokenizer(WordLevel({"a": 0, "<s>": 1, "b": 2}, unk_token="b"))
    without = PreTrainedTokenizerFast(tokenizer_object=plain)
    named = PreTrainedTokenizerFast(tokenizer_object=plain, bos_token="<s>")
    assert added_bos(without) is None and added_bos(named) is None
    assert added_bos(ALL["gpt2"]) == bos_of(ALL["gpt2"]) == 1
    assert bos_of(named) == 1
    with pytest.raises(StadeError, match="has no such token; leave bos at its default, 'text'"):
        bos_of(without)
