"""Data: bundled sets, readers of CSV and IDX files, splitting, batches, standardizing.

May import `tensor`, `ops` and what lies below them. Everything here is NumPy arrays; nothing that is read
can run code, and sizes are bounded before memory is taken.
"""

from koubai.data.batches import batches, permutation, split
from koubai.data.bundled import load, names
from koubai.data.dataset import Dataset
from koubai.data.idx import read_idx
from koubai.data.scaling import Standardizer
from koubai.data.tables import read_csv

__all__ = [
    "Dataset",
    "Standardizer",
    "batches",
    "load",
    "names",
    "permutation",
    "read_csv",
    "read_idx",
    "split",
]
