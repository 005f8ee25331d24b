"""TextGenerator: train on text or genomes, write more of the same, and measure surprise."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from genolstm.errors import ModelError, SettingError
from genolstm.files import PathLike, check_output
from genolstm.lstm.bundle.bundle import Bundle, find_bundle
from genolstm.lstm.bundle.runtime import Runtime
from genolstm.lstm.bundle.stepper import Stepper
from genolstm.text.corpus import Codes, Corpus, Record, dna_corpus, encode, read_corpus, read_stream, text_corpus
from genolstm.text.encoding import encode_input
from genolstm.text.metadata import read_metadata
from genolstm.text.sampling import Sampling
from genolstm.text.scoring import RecordScore, Score, record_bits, with_spelling
from genolstm.text.settings import CHARACTERS, DNA, STREAM, TEXT, WINDOW, WORDS, TextSettings
from genolstm.text.train import fit, prepare
from genolstm.text.words import Vocabulary
from genolstm.threads import worker_pool

if TYPE_CHECKING:
    from Bio.Seq import Seq

Source = PathLike | Sequence[PathLike] | Corpus

#: What ends a sentence.
SENTENCE = ".!?"
_DRAWS = 4096
#: How often a word is spelled anew, if what came out is one that is never spelled.
_SPELLINGS = 20


class TextGenerator:
    """A model of text or DNA that predicts one symbol after the other.

    Parameters
    ----------
    bundle
        A model of kind ``text``.
    threads
        Number of threads for :meth:`score` and for several samples; 0 means all cores. It affects
        the speed only.

    Examples
    --------
    >>> model = TextGenerator.fit("rhyme.txt")  # doctest: +SKIP
    >>> model.sample("The wind ", 200, seed=3, temperature=0.7)  # doctest: +SKIP

    Raises
    ------
    ModelError
        The bundle is of another kind, or lacks or misstates metadata.
    """

    def __init__(self, bundle: Bundle, *, threads: int = 0) -> None:
        metadata = read_metadata(bundle)
        self.bundle = bundle
        self.threads = threads
        self.alphabet = metadata.alphabet
        self.symbols = metadata.symbols
        self.mode = metadata.mode
        self.window = metadata.window
        self.opening = metadata.opening
        self.config = metadata.config
        self._runtime: Runtime | None = None

    @classmethod
    def load(cls, model: PathLike, *, threads: int = 0) -> TextGenerator:
        """Load a model from its file.

        Raises
        ------
        InputError, ModelError
            There is no such file, or it is not a text model.
        """
        return cls(Bundle.open(find_bundle(model)), threads=threads)

    @classmethod
    def fit(
        cls,
        source: PathLike | Sequence[PathLike] | Corpus,
        settings: TextSettings | None = None,
        *,
        form: str = "auto",
        held_out: Corpus | None = None,
        output: PathLike | None = None,
        force: bool = False,
        **options: Any,
    ) -> TextGenerator:
        """Train a model.

        Parameters
        ----------
        source
            A file, several of them, or a corpus.
        settings
            Settings of network and training; ``TUTORIAL`` in :mod:`genolstm.text.settings` has the
            tutorial's.
        held_out
            Data that choose the epoch, instead of a share of ``source``.
        output
            Where to save the model; by default it is not saved (see :meth:`save`).
        **options
            ``folder`` of a checkpoint, ``log_csv``, ``progress``.

        Raises
        ------
        InputError
            The source is shorter than a window, or holds a single symbol.
        """
        if not isinstance(source, Corpus):
            paths = [source] if isinstance(source, str | Path) else list(source)  # type: ignore[arg-type]
            source = read_corpus(paths, form, symbols=(settings or TextSettings()).tokens)
        if output is not None:
            check_output(output, force=force)
        bundle = fit(*prepare(source, settings or TextSettings(), held_out), **options)
        return cls(bundle if output is None else bundle.save(output, force=force))

    def save(self, path: PathLike, *, force: bool = False) -> None:
        """Write the model's bundle."""
        self.bundle.save(path, force=force)

    @property
    def runtime(self) -> Runtime:
        """The network over whole sequences."""
        if self._runtime is None:
            self._runtime = Runtime(self.bundle, threads=self.threads)
        return self._runtime

    def encode(self, text: str | Seq, *, skip_unknown: bool = False) -> Codes:
        """Turn a prompt into codes; DNA may be in either case, and have U for T.

        Raises
        ------
        InputError
            The model never saw a character; the message names it. Words need not be known.
        SettingError
            Unknown words would be left out.
        """
        text = str(text)
        if isinstance(self.alphabet, Vocabulary):
            self._keep_unknown(skip_unknown)
            return self.alphabet.encode(text)[0]
        if self.symbols == DNA:
            text = text.upper().replace("U", "T")
        return encode(text, self.alphabet, skip_unknown=skip_unknown)

    def symbols_stream(
        self,
        prompt: str | Seq = "",
        n: int = 1000,
        *,
        seed: int = 1,
        stream: int = 0,
        sampling: Sampling | None = None,
        skip_unknown: bool = False,
        carry: bool | None = None,
        sentence: bool = False,
    ) -> Iterator[str]:
        """Yield ``n`` new symbols, one by one: characters, bases, or words with the space before each.

        The same seed gives the same symbols, whatever else is computed in parallel: each stream is
        read alone, on one thread, with its own random numbers.

        Parameters
        ----------
        prompt
            Text to continue. Without one, a model of mode ``window`` continues the beginning of its
            training text.
        seed, stream
            Seed of the random numbers, and which of its independent streams 0, 1, 2, ... to draw.
        sampling
            How to draw symbols; by default :attr:`default_sampling`.
        carry
            Whether to carry the state (constant work per symbol) or read the last window again for
            each symbol, as the tutorial does; by default as the model was trained.
        sentence
            Stop where a sentence ends: after the first symbol with a full stop, an exclamation or a question mark.

        Raises
        ------
        InputError
            The model never saw a symbol of the prompt.
        """
        if sentence and self.symbols == DNA:
            raise SettingError("DNA has no sentences", hint="give a length")
        if n < 0:
            raise SettingError(f"n is {n}, it must be at least 0")
        sampling = sampling or self.default_sampling
        # A space belongs to the word that comes next.
        text, lead = str(prompt), ""
        if isinstance(self.alphabet, Vocabulary) and text.endswith(" ") and not text[-2:-1].isspace():
            text, lead = text[:-1], " "
        codes = self.encode(text, skip_unknown=skip_unknown)
        if not len(codes) and self.mode == WINDOW:
            codes = self.encode(self.opening)
        carry = self.mode == STREAM if carry is None else carry
        if not carry and self.mode == STREAM:
            raise SettingError("a model that was trained on a stream must carry its state")
        symbols = self._generate(codes, n, [seed, stream], sampling, carry, lead)
        return _to_sentence_end(symbols) if sentence else symbols

    @property
    def default_sampling(self) -> Sampling:
        """The model's own way of drawing symbols."""
        return Sampling(temperature=0.0 if self.mode == WINDOW else 1.0)

    def _generate(
        self, codes: Codes, n: int, seeds: list[int], sampling: Sampling, carry: bool, lead: str
    ) -> Iterator[str]:
        if n == 0:
            return
        alphabet, random = self.alphabet, np.random.default_rng(seeds)
        unknown = alphabet.unknown if isinstance(alphabet, Vocabulary) else -1
        probabilities, read = self._carried(codes) if carry else self._windowed(codes)
        for start in range(0, n, _DRAWS):
            count = min(_DRAWS, n - start)
            for index, uniform in enumerate(random.random(_DRAWS)[:count].tolist(), start=start):
                if index == 0 and lead:
                    probabilities = probabilities * _begin_with(alphabet, lead)
                code = sampling.draw(probabilities, uniform)
                symbol = alphabet[code]
                if code == unknown:
                    # Random numbers of its own, so that those of the symbols after it do not depend on its length.
                    symbol = self._spell(sampling, [*seeds, 1 + index], lead if index == 0 else "")
                yield symbol if index else symbol.removeprefix(lead)
                if index + 1 < n:
                    probabilities = read(code)

    def _spell(self, sampling: Sampling, seeds: list[int], begin: str) -> str:
        assert isinstance(self.alphabet, Vocabulary)
        random = np.random.default_rng(seeds)
        word = ""
        for _ in range(_SPELLINGS if sampling.temperature else 1):
            word = self.alphabet.spelling.draw(sampling, random, begin)
            if word not in self.alphabet:
                break
        return word

    def _keep_unknown(self, skip_unknown: bool) -> None:
        if skip_unknown and isinstance(self.alphabet, Vocabulary):
            raise SettingError("a model of words leaves no word out: it spells those that it never saw")

    def _carried(self, codes: Codes) -> tuple[np.ndarray, Any]:
        stepper = Stepper(self.bundle)
        # Each code as the network reads it, computed once.
        inputs = encode_input(np.arange(len(self.alphabet) + 1)[:, None], self.config)
        first = codes.tolist()
        if self.mode == STREAM:
            first.insert(0, len(self.alphabet))
        probabilities = np.empty(0, np.float32)
        for code in first:
            probabilities = stepper.step(inputs[code])[0]
        return probabilities, lambda code: stepper.step(inputs[code])[0]

    def _windowed(self, codes: Codes) -> tuple[np.ndarray, Any]:
        runtime = Runtime(self.bundle, threads=1)
        held = codes.astype(np.int64)[-self.window :]

        def look() -> np.ndarray:
            x = encode_input(held[None], self.config)
            found: np.ndarray = runtime.predict(x, chunk=self.window)[0, -1]
            return found

        def read(code: int) -> np.ndarray:
            nonlocal held
            held = np.append(held, code)[-self.window :]
            return look()

        return look(), read

    def sample(self, prompt: str | Seq = "", n: int = 1000, **options: Any) -> str:
        """Return ``n`` new symbols; ``options`` as in :meth:`symbols_stream`.

        ``temperature``, ``top_k`` and ``top_p`` may be given in place of ``sampling``.
        """
        return "".join(self.symbols_stream(prompt, n, **self._with_sampling(options)))

    def sample_many(self, count: int, prompt: str | Seq = "", n: int = 1000, **options: Any) -> list[str]:
        """Return several independent samples: streams 0, 1, 2, ... of one seed."""
        options = self._with_sampling(options)

        def one(stream: int) -> str:
            return "".join(self.symbols_stream(prompt, n, stream=stream, **options))

        with worker_pool(self.threads) as pool:
            return list(pool.map(one, range(count)))

    def _with_sampling(self, options: dict[str, Any]) -> dict[str, Any]:
        named = {name: options.pop(name) for name in ("temperature", "top_k", "top_p") if name in options}
        if named:
            if options.get("sampling") is not None:
                raise SettingError("give either sampling, or temperature, top_k and top_p")
            options["sampling"] = replace(self.default_sampling, **named)
        return options

    def score(
        self,
        source: Source,
        *,
        form: str | None = None,
        skip_unknown: bool = False,
        mix: bool = False,
        adapt: bool = False,
        network: bool = True,
        explained: bool = False,
        history: Source = (),
        held_out: Source = (),
    ) -> Score:
        """Return what each symbol of text or FASTA costs, in bits.

        Each record is read from its beginning with the state carried; long ones in stretches,
        each after a warm-up of 1,024 symbols. A model of mode ``window`` reads a whole window
        before each symbol, so the first window of a record has no score, unless it is mixed.

        Parameters
        ----------
        form
            ``text`` or ``fasta``, to refuse a model of the other.
        skip_unknown
            Drop symbols of text that the model never saw, instead of refusing them.
        mix
            Mix the network's forecasts with those of counts and of copies of what was read before,
            which learn from all records, one after the other.
        adapt
            Let the network's output layer learn from each symbol after it was predicted.
        network
            Whether the network is asked at all; without it, only what is mixed with it counts.
        explained
            Also keep what each symbol would have cost without repeats, and whose its forecast was.
        history
            What is read before and not scored, by counts and copies alone: what the network has learned
            from, where it is surer of itself than elsewhere.
        held_out
            What is read after that and not scored, by all of them: it teaches how far to trust the network.

        Raises
        ------
        InputError
            A file is missing or malformed, or holds symbols that the model never saw.
        SettingError
            Options that make sense only with ``mix`` or ``adapt``, or a mixture for a model of words.
        """
        options: Any = {"adapt": adapt, "network": network, "explained": explained, "history": history}
        records = self.score_records(
            source, form=form, skip_unknown=skip_unknown, mix=mix, held_out=held_out, **options
        )
        return Score(self.alphabet, tuple(records))

    def score_records(
        self,
        source: Source,
        *,
        form: str | None = None,
        skip_unknown: bool = False,
        mix: bool = False,
        adapt: bool = False,
        network: bool = True,
        explained: bool = False,
        history: Source = (),
        held_out: Source = (),
    ) -> Iterator[RecordScore]:
        """Yield the records of :meth:`score`, one in memory at a time."""
        plain = not (mix or adapt)
        for wrong, reason in (
            (not mix and not network, "without the network there must be a mixture"),
            (not network and adapt, "without the network there is nothing to adapt"),
            (not mix and explained, "only a mixture tells whose its forecasts are"),
            (not mix and _is_given(history), "only a mixture learns from a history"),
            (plain and _is_given(held_out), "only a mixture, or a network that adapts, learns from held-out data"),
        ):
            if wrong:
                raise SettingError(reason)
        if mix and isinstance(self.alphabet, Vocabulary):
            raise SettingError(
                "counts and copies are mixed with characters, and this is a model of words",
                hint="train one without --tokens words",
            )
        self._keep_unknown(skip_unknown)
        before = [self._records(one, form, skip_unknown) if _is_given(one) else () for one in (history, held_out)]
        records = self._records(source, form, skip_unknown)
        if plain:
            for record in records:
                bits = record_bits(self.runtime, record.codes, self.config, mode=self.mode, window=self.window)
                yield with_spelling(RecordScore(record.name, record.codes, bits), record, self.alphabet)
            return
        # Compiled loops, which only these need.
        from genolstm.text.adaptive import AdaptiveHead
        from genolstm.text.mixed import mixed_bits
        from genolstm.text.mixing.mixture import Mixture

        head = AdaptiveHead(self.bundle) if adapt else None
        runtime = None if not network else head.runtime(self.threads) if head is not None else self.runtime
        mixture = Mixture(self.alphabet, self.symbols) if mix and isinstance(self.alphabet, str) else None
        options: Any = {"mode": self.mode, "window": self.window}
        if mixture is not None:
            mixture.threads = self.threads
        for record in before[0]:
            mixed_bits(record, self.config, mixture, None, None, **options)
        for record in before[1]:
            mixed_bits(record, self.config, mixture, runtime, head, **options)
        for record in records:
            found = mixed_bits(record, self.config, mixture, runtime, head, explained=explained, **options)
            yield with_spelling(found, record, self.alphabet)

    def _records(self, source: Source, form: str | None, skip_unknown: bool) -> Iterator[Record]:
        if isinstance(source, Corpus):
            if (source.kind, source.alphabet) != (self.symbols, self.alphabet):
                ours, theirs = (
                    WORDS if isinstance(alphabet, Vocabulary) else CHARACTERS if kind == TEXT else kind
                    for kind, alphabet in ((self.symbols, self.alphabet), (source.kind, source.alphabet))
                )
                if ours == theirs:
                    raise ModelError(
                        f"the model and the data have different {ours}", hint="score the file, or its text"
                    )
                raise ModelError(f"the model reads {ours}, the data are {theirs}")
            return iter(source.records)
        paths = [source] if isinstance(source, str | Path) else list(source)  # type: ignore[arg-type]
        own = "fasta" if self.symbols == DNA else "text"
        if form not in (None, own):
            raise ModelError(f"the model reads {self.symbols}, the data are {form}")
        return read_stream(paths, own, alphabet=self.alphabet, skip_unknown=skip_unknown)

    def bits(self, sequence: str | Seq) -> np.ndarray:
        """Return the bits of each symbol of a text or a DNA sequence, (symbols,)."""
        if self.symbols == TEXT:
            corpus = text_corpus([("text", str(sequence))], self.alphabet)
        else:
            from genolstm.sequences.alphabet import encode as encode_dna

            corpus = dna_corpus([("sequence", encode_dna(str(sequence)))])
        return self.score(corpus).records[0].bits

    def __repr__(self) -> str:
        return (
            f"TextGenerator({self.bundle.name}: {len(self.alphabet)} "
            f"{WORDS if isinstance(self.alphabet, Vocabulary) else 'symbols'} of {self.symbols}, "
            f"{self.config.n_parameters} parameters)"
        )


def _is_given(source: Source) -> bool:
    return isinstance(source, str | Path | Corpus) or len(source) > 0  # type: ignore[arg-type]


def _begin_with(alphabet: str | Vocabulary, lead: str) -> np.ndarray:
    """Return 1 for each word that begins so, and for unknown ones, which can be spelled so; 0 for others."""
    assert isinstance(alphabet, Vocabulary)
    return np.array([*(word.startswith(lead) for word in alphabet.words), True], np.float32)


def _to_sentence_end(symbols: Iterator[str]) -> Iterator[str]:
    for symbol in symbols:
        yield symbol
        if not set(SENTENCE).isdisjoint(symbol):
            return
