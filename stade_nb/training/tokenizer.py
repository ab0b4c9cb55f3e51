"""The tokenizer of the embedded models: byte-pair encoding trained on the embedded corpus."""

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from stade_nb.corpus.embedded_corpus import SEPARATOR

VOCABULARY = 1024


def train(documents: list[str], vocabulary: int = VOCABULARY) -> PreTrainedTokenizerFast:
    """Byte-pair encoding with ``vocabulary`` entries, trained on the documents.

    The alphabet is printable ASCII and the line end: a byte alphabet would spend a quarter of so
    small a vocabulary on bytes that this corpus never has. Other characters are replaced by
    their ASCII base letter where they have one and by ``?`` where not.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.NFKD(),
            normalizers.Replace(Regex(r"\p{M}"), ""),
            normalizers.Replace(Regex(r"[^\x20-\x7e\n]"), "?"),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    # the byte-level pre-tokenizer writes the space as Ġ and the line end as Ċ
    alphabet = [chr(code) for code in range(0x21, 0x7F)] + ["Ġ", "Ċ"]
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[SEPARATOR],
        initial_alphabet=alphabet,
        show_progress=False,
    )
    tokenizer.train_from_iterator(documents, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=SEPARATOR,
        eos_token=SEPARATOR,
        clean_up_tokenization_spaces=False,
    )
