"""The public data sets that claims and benchmarks use, by name: licence, size, checksum, origin.

Nothing is downloaded here. The files lie in the folder that ``TRUENEG_DATA`` names, one sub-folder a set.
"""

from __future__ import annotations

import difflib
import hashlib
import os
from dataclasses import dataclass, field
from pathlib import Path

from trueneg.core.errors import ClaimNotRun, InputError

VARIABLE = "TRUENEG_DATA"


@dataclass(frozen=True)
class Dataset:
    """A public data set.

    Parameters
    ----------
    name : str
        The name here, also that of its folder; with a dot in it, the name of a single file.
    licence : str
        As its origin states it.
    origin : str
        Public repository and commit.
    files : dict
        File name to (bytes, first 16 hexadecimal digits of its SHA-256).
    """

    name: str
    licence: str
    origin: str
    files: dict[str, tuple[int, str]] = field(default_factory=dict)

    @property
    def bytes(self) -> int:
        """Size of all files together."""
        return sum(size for size, _ in self.files.values())


_SETS = (
    Dataset(
        "redocred",
        "MIT",
        "tonytan48/Re-DocRED @ ccfb54f5ddf5",
        {
            "dev_revised.json": (3_245_588, "051ee1d057204a5d"),
            "test_revised.json": (3_207_228, "ea673b7ef91e1651"),
        },
    ),
    Dataset(
        "label_errors",
        "Apache-2.0",
        "cleanlab/label-errors @ 6d5d6b31a132",
        {
            "mnist_pyx.npy": (800_128, "403d0f1188c8940c"),
            "mnist_mturk.json": (29_472, "448bd00fc9df262c"),
            "mnist_original_labels.npy": (20_128, "9c4b8d0ef379b2ce"),
            "cifar10_pyx.npy": (800_128, "c445b25cee680e39"),
            "cifar10_mturk.json": (88_252, "81b2c16c9eee060d"),
            "cifar10_original_labels.npy": (20_128, "8fba587d5b11011d"),
            "20news_pyx.npy": (1_205_248, "aa3669c77dd6d8c3"),
            "20news_mturk.json": (32_013, "0f14cda08aedfa79"),
            "20news_original_labels.npy": (15_192, "079079c382f23c63"),
        },
    ),
    Dataset(
        "semeval2010_task8",
        "CC-BY-3.0",
        "racerandom/RelationClassification @ 438eff6552be",
        {
            "TEST_FILE_FULL.TXT": (473_888, "9ec7a35d5582b4da"),
            "TRAIN_FILE.TXT": (1_397_759, "3c2df4be8778c6d1"),
        },
    ),
    Dataset(
        "mulan",
        "research; repository GPL-3.0",
        "tsoumakas/mulan @ 43f6389095ad",
        {
            "bibtex-test.arff": (1_215_637, "9b03329cde64d3f9"),
            "bibtex-train.arff": (2_292_961, "8dcc9de6e0b2ceba"),
            "delicious-test.arff": (757_565, "2dfb01723a819914"),
            "delicious-train.arff": (3_056_590, "030186cdb542ebdd"),
            "scene-test.arff": (3_090_742, "ea38d20296b3ff7e"),
            "scene-train.arff": (3_127_968, "b53ba93bdf412de9"),
            "tmc2007-500-test.arff": (1_054_414, "b24f9c3f1eba77c9"),
            "tmc2007-500-train.arff": (3_152_791, "edfe7b7615c6f80e"),
            "yeast-test.arff": (918_515, "4aaac102bff9669a"),
            "yeast-train.arff": (1_501_117, "e759dc991ff54694"),
            "emotions-test.arff": (132_007, "f13d4b746b7b5c8e"),
            "emotions-train.arff": (252_080, "bbe704106c79bb8f"),
        },
    ),
    Dataset(
        "uci",
        "UCI/Statlog; not stated",
        "vfeofanov/trans-bounds-maj-vote @ ec70f6d77646",
        {
            "dna.scale": (499_248, "03d39477c5e48415"),
            "dna.scale.test": (293_744, "d2eeed170e4e38ae"),
            "pendigits": (864_387, "e8e3572d9c5196a5"),
        },
    ),
    Dataset(
        "nsl_kdd",
        "research",
        "defcom17/NSL_KDD @ 27bbbdf5c5cc",
        {
            "KDDTrain+_20Percent.txt": (3_822_033, "7ea86479faab5ca2"),
            "KDDTest+.txt": (3_441_513, "fa46b0935342616a"),
            "KDDTest-21.txt": (1_814_092, "746993ac9e258688"),
            "Attack_Types.csv": (300, "8b2ded847bc9c6bc"),
            "Field_Names.csv": (1_050, "e6ce1b1f35966a20"),
        },
    ),
    Dataset(
        "20newsgroups.parquet",
        "public research set",
        "yao8839836/text_gcn @ 962223652e9b",
        {"20newsgroups.parquet": (10_480_846, "75a3f138510a2b0e")},
    ),
)
_BY_NAME = {item.name: item for item in _SETS}


def names() -> list[str]:
    """Return the names of all sets, sorted."""
    return sorted(_BY_NAME)


def get(name: str) -> Dataset:
    """Return what is known of a set; an unknown name is an InputError with the nearest one."""
    if name in _BY_NAME:
        return _BY_NAME[name]
    close = difflib.get_close_matches(name, names(), n=1, cutoff=0.5)
    tail = f"did you mean {close[0]!r}?" if close else f"known are {', '.join(names())}"
    msg = f"there is no data set {name!r}; {tail}"
    raise InputError(msg)


def folder(name: str) -> Path:
    """Return the folder of a set, with all its files there.

    Raises
    ------
    ClaimNotRun
        When the data is not there; the message says what to set or fetch.
    """
    item = get(name)
    root = os.environ.get(VARIABLE)
    if not root:
        msg = (
            f"the data set {name} is not at hand: set {VARIABLE} to a folder that holds {name} "
            f"({item.origin}, {item.bytes / 1e6:.1f} MB, licence: {item.licence})"
        )
        raise ClaimNotRun(msg)
    place = Path(root) if name in item.files else Path(root) / name
    missing = [file for file in item.files if not (place / file).is_file()]
    if missing:
        msg = (
            f"the data set {name} is not at hand: {missing[0]} is missing in {place} ({VARIABLE}); "
            f"it comes from {item.origin}"
        )
        raise ClaimNotRun(msg)
    return place


def file(name: str) -> Path:
    """Return the path of a set that is one file, or of one file as ``"set/file"``."""
    if name in _BY_NAME:
        item = _BY_NAME[name]
        if len(item.files) != 1:
            msg = f"{name} has {len(item.files)} files; name one as {name}/{next(iter(item.files))}"
            raise InputError(msg)
        return folder(name) / next(iter(item.files))
    group, _, member = name.partition("/")
    item = get(group)
    if member not in item.files:
        msg = f"{group} has no file {member!r}; it has {', '.join(item.files)}"
        raise InputError(msg)
    return folder(group) / member


def verify(name: str) -> None:
    """Check size and SHA-256 of every file of a set.

    Raises
    ------
    InputError
        Naming the first file that differs.
    """
    place = folder(name)
    for member, (size, prefix) in get(name).files.items():
        path = place / member
        digest = hashlib.sha256()
        with path.open("rb") as handle:
            while block := handle.read(1 << 20):
                digest.update(block)
        if path.stat().st_size != size or not digest.hexdigest().startswith(prefix):
            msg = (
                f"{path}: this is not the file published as {get(name).origin} (size or SHA-256 "
                "differs); fetch it again"
            )
            raise InputError(msg)
