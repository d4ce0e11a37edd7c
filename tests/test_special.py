"""Special functions: values against numbers of high precision, edges, dtypes and gradients."""

import numpy as np
import pytest

import koubai as kb


def test_expit_keeps_its_relative_precision_in_the_tail():
    assert kb.special.expit(-700.0) == pytest.approx(np.exp(-700.0), rel=1e-15)
    np.testing.assert_array_equal(kb.special.expit(np.array([-np.inf, 0.0, np.inf])), [0, 0.5, 1])
    assert np.isnan(kb.special.expit(np.nan))


@pytest.mark.parametrize("name", ["expit", "log_expit", "logit"])
def test_dtype_is_kept(name):
    f = getattr(kb.special, name)
    assert f(np.full(3, 0.3, np.float32)).dtype == np.float32
    assert f(np.float32(0.3)).dtype == np.float32
    assert f(1).dtype == np.float64
