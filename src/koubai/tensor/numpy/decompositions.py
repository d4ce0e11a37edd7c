"""Decompositions of matrices: eigh, eig, svd, qr. Conventions: see `koubai.numpy.linalg`."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from koubai.errors import UnsupportedError, UsageError
from koubai.graph import Node, value_of
from koubai.ops import decompositions as d
from koubai.ops import elementwise as e
from koubai.ops import shape as s
from koubai.ops.index import getitem
from koubai.ops.matmul import adjoint
from koubai.ops.matmul import matmul as multiply
from koubai.ops.matrices import at_least_matrix, mirrored
from koubai.ops.structure import outputs_of
from koubai.tensor.numpy.arguments import arrayed

__all__ = [
    "EigResult", "EighResult", "QRResult", "SVDResult", "eig", "eigh", "eigvals", "eigvalsh", "matrix", "qr", "svd",
    "svdvals",
]  # fmt: skip

# Whether NumPy's eig gives complex results for every real matrix.
ALWAYS_COMPLEX = np.lib.NumpyVersion(np.__version__) >= "2.5.0"


class EigResult(NamedTuple):
    """What `eig` returns."""

    eigenvalues: Any
    eigenvectors: Any


class EighResult(NamedTuple):
    """What `eigh` returns."""

    eigenvalues: Any
    eigenvectors: Any


class QRResult(NamedTuple):
    """What `qr` returns."""

    Q: Any
    R: Any


class SVDResult(NamedTuple):
    """What `svd` returns."""

    U: Any
    S: Any
    Vh: Any


def matrix(name: str, a: Any) -> Any:
    """An array with at least two axes, of floating-point or complex numbers."""
    a = arrayed(a)
    at_least_matrix(name, a)
    return s.astype(a, dtype=np.dtype(np.float64)) if a.dtype.kind in "biu" else a


def _lower(name: str, UPLO: str) -> bool:
    if str(UPLO).upper() not in ("L", "U"):
        raise UsageError(f'{name}: expected UPLO to be "L" or "U", got {UPLO!r}')
    return str(UPLO).upper() == "L"


def eigh(a: Any, UPLO: str = "L") -> EighResult:
    """Eigenvalues in ascending order and eigenvectors of Hermitian matrices. As `numpy.linalg.eigh`.

    Only the triangle UPLO is read, so that it receives the gradient. See the head of `koubai.numpy.linalg` for repeated
    eigenvalues and for the vectors' signs and phases. Rule: Giles (2008), section 3.1.

    Examples
    --------
    >>> import koubai as kb
    >>> kb.grad(lambda a: kb.numpy.linalg.eigh(a).eigenvalues.max())(np.diag([1.0, 2.0]))
    array([[0., 0.],
           [0., 1.]])
    """
    return EighResult(*outputs_of(d.eigh(matrix("eigh", a), lower=_lower("eigh", UPLO))))


def eigvalsh(a: Any, UPLO: str = "L") -> Any:
    """Eigenvalues of Hermitian matrices in ascending order. As `numpy.linalg.eigvalsh`."""
    a = matrix("eigvalsh", a)
    lower = _lower("eigvalsh", UPLO)
    return eigh(a, UPLO).eigenvalues if isinstance(a, Node) else np.linalg.eigvalsh(a, "L" if lower else "U")


def eig(a: Any) -> EigResult:
    """Eigenvalues and eigenvectors of square matrices. As `numpy.linalg.eig`.

    They are complex from NumPy 2.5 on. With an older NumPy they are real where all eigenvalues of real matrices
    are, except under tracing, where that is not known. See the head of `koubai.numpy.linalg` for the vectors'
    phases. Rule: Giles (2008), section 3.1.
    """
    x = matrix("eig", a)
    w, v = outputs_of(d.eig(x))
    known = value_of(w)
    if ALWAYS_COMPLEX or x.dtype.kind == "c" or known is None or np.any(known.imag):
        return EigResult(w, v)
    return EigResult(e.real(w), e.real(v))


def eigvals(a: Any) -> Any:
    """Eigenvalues of square matrices. As `numpy.linalg.eigvals`; see `eig`."""
    a = matrix("eigvals", a)
    return eig(a).eigenvalues if isinstance(a, Node) else np.linalg.eigvals(a)


def svd(a: Any, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False) -> Any:
    """Singular value decomposition a = U diag(S) Vh. As `numpy.linalg.svd`.

    Columns of U and V beyond the smaller side of a (full_matrices=True) complete a basis in a way that is not
    unique: functions of the space that they span have the right gradient. See the head of `koubai.numpy.linalg` for
    repeated singular values and for the vectors' signs and phases.

    Parameters
    ----------
    hermitian : bool
        Read the lower triangle only.

    Examples
    --------
    >>> import koubai as kb
    >>> kb.grad(lambda a: kb.numpy.linalg.svd(a).S[0])(np.diag([3.0, 2.0]))
    array([[1., 0.],
           [0., 0.]])
    """
    a = matrix("svd", a)
    if hermitian:
        a = mirrored(a, True)
    if not compute_uv:
        return svdvals(a)
    return SVDResult(*outputs_of(d.svd(a, full=bool(full_matrices))))


def svdvals(x: Any, /) -> Any:
    """Singular values in descending order. As `numpy.linalg.svdvals`."""
    x = matrix("svdvals", x)
    return outputs_of(d.svd(x, full=False))[1] if isinstance(x, Node) else np.linalg.svd(x, compute_uv=False)


def qr(a: Any, mode: str = "reduced") -> Any:
    """a = Q R with orthonormal columns and an upper triangle. As `numpy.linalg.qr`.

    The first min(rows, columns) columns of a must be independent (LinAlgError from the gradient otherwise). With
    mode="complete" the further columns of Q are not unique: functions of the space that they span have the
    right gradient. Rule: Walter and Lehmann (2010).

    Parameters
    ----------
    mode : {"reduced", "complete", "r"}
    """
    if mode not in ("reduced", "complete", "r"):
        if mode == "raw":
            raise UnsupportedError('qr: mode "raw" is LAPACK\'s inner form and has no gradient; use "reduced"')
        raise UsageError(f'qr: expected mode to be "reduced", "complete" or "r", got {mode!r}')
    a = matrix("qr", a)
    m, n = a.shape[-2:]
    if m >= n:
        q, right = outputs_of(d.qr(a, full=mode == "complete"))
    else:
        # The first m columns determine Q; the others are only seen from there.
        q, first = outputs_of(d.qr(getitem(a, pattern=(Ellipsis, slice(m))), full=False))
        others = getitem(a, pattern=(Ellipsis, slice(m, None)))
        right = s.concatenate(first, multiply(adjoint(q), others), axis=a.ndim - 1)
    return right if mode == "r" else QRResult(q, right)
