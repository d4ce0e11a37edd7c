"""read_csv: what it makes of a table, and each kind of table that it refuses."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import koubai as kb
from koubai.data import read_csv


@pytest.fixture
def table(tmp_path):
    def write(text, encoding="utf-8"):
        path = tmp_path / "table.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
        return path

    return write


def test_numbers_words_and_classes(table):
    data = read_csv(table("w,colour,kind\n1.5,red,b\n2,blue,a\n3,red,b\n4,red,a\n"), target="kind")
    assert data.feature_names == ("w", "colour=blue", "colour=red")
    np.testing.assert_array_equal(data.x, [[1.5, 0, 1], [2, 1, 0], [3, 0, 1], [4, 0, 1]])
    assert data.class_names == ("a", "b")
    assert data.t.tolist() == [1, 0, 1, 0]
    assert data.task == "classification"


def test_the_target_may_stand_anywhere(table):
    path = table("kind,w\na,1\nb,2\na,3\nb,4\n")
    for target in ("kind", 0, -2):
        assert read_csv(path, target=target).t.tolist() == [0, 1, 0, 1]
    assert read_csv(path).target_name == "w"


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found(table, delimiter):
    text = "a b c\n1 2 x\n3 4 y\n5 6 x\n7 8 y\n".replace(" ", delimiter)
    assert read_csv(table(text)).x.shape == (4, 2)


def test_quotes_spaces_blank_lines_and_a_byte_order_mark(table):
    text = '\ufeff"a, b", kind\r\n "1", "say ""x"""\r\n\r\n2,y\r\n3,y\r\n4,"say ""x"""\r\n'
    data = read_csv(table(text))
    assert data.feature_names == ("a, b",)
    assert data.class_names == ('say "x"', "y")
    assert data.x.ravel().tolist() == [1, 2, 3, 4]


def test_without_a_header(table):
    data = read_csv(table("1,2,x\n3,4,y\n5,6,x\n7,8,y\n"))
    assert len(data) == 4
    assert data.feature_names == ("column 1", "column 2")


def test_a_header_of_words_over_words(table):
    assert read_csv(table("colour,kind\nred,a\nblue,b\nred,a\nblue,b\n")).target_name == "kind"
    assert len(read_csv(table("red,a\nblue,b\nred,a\n"), header=False)) == 3


def test_regression_or_classification(table):
    head = "x,y\n"
    assert read_csv(table(head + "1,0\n2,1\n3,0\n4,1\n")).task == "classification"
    assert read_csv(table(head + "1,0.5\n2,1\n3,0.5\n4,1\n")).task == "regression"
    assert read_csv(table(head + "1,10\n2,20\n3,30\n4,40\n")).task == "regression"
    forced = read_csv(table(head + "1,0\n2,1\n3,0\n4,1\n"), task="regression")
    assert forced.t.dtype == np.float64
    assert forced.class_names is None
    assert read_csv(table(head + "1,10\n2,2\n3,10\n4,2\n")).class_names == ("2", "10")


def test_numbers_that_are_names(table):
    path = table("code,y\n10,a\n20,b\n10,a\n20,b\n")
    assert read_csv(path, categorical=["code"]).feature_names == ("code=10", "code=20")


def test_a_device_without_end_is_not_read_to_its_end(monkeypatch):
    monkeypatch.setattr("koubai.data.records.LARGEST", 1000)
    with pytest.raises(kb.DataError, match="divide the file"):
        read_csv("/dev/zero")


REFUSED = {
    "empty": (b"", "the file is empty"),
    "blank": (b"\n\n  \n", "the file is empty"),
    "header only": ("a,b\n", "has a header but no rows"),
    "ragged": ("a,b,k\n1,2,x\n3,4\n5,6,y\n", "line 3: 2 cells, but the header has 3"),
    "too long": ("a,b,k\n1,2,x\n3,4,y\n5,6,7,y\n", "line 4: 4 cells"),
    "letter": ("a,k\n1,x\n2,y\noops,x\n3,y\n", "line 4, column 'a': expected a number as in 3 of the 4 rows"),
    "underscore": ("a,k\n1,x\n2,y\n1_0,x\n3,y\n", "got '1_0'"),
    "nan": ("a,k\n1,x\nNaN,y\n3,x\n", "line 3, column 'a': the value is missing ('NaN')"),
    "infinity": ("a,k\n1,x\n-inf,y\n3,x\n", "line 3, column 'a': -inf is not a finite number"),
    "overflow": ("a,k\n1,x\n1e999,y\n3,x\n", "1e999 is not a finite number"),
    "missing": ("a,k\n1,x\n,y\n3,x\n", "line 3, column 'a': the cell is empty"),
    "missing target": ("a,k\n1,x\n2,\n3,x\n", "line 3, column 'k': the cell is empty"),
    "question mark": ("5.1,?,x\n2,1,y\n3,2,x\n", "line 1, column 'column 2': the value is missing"),
    "open quote": ('a,k\n1,"x\n2,y\n', "line 2: unreadable CSV"),
    "one column": ("a\n1\n2\n", "only one column, 'a'"),
    "one class": ("a,k\n1,x\n2,x\n", "every row is of class 'x'"),
    "constant": ("a,k\n1,0.5\n2,0.5\n", "the target is 0.5 in every row"),
    "same name": ("a,a,k\n1,2,x\n3,4,y\n", "both named 'a'"),
    "not text": (b"a,k\n1,x\n\xff\xfe,y\n", "line 3: this is not text in utf-8"),
    "zero byte": (b"a,k\n1,\0x\n", "line 2: a zero byte"),
    "names of rows": ("id,y\n" + "".join(f"r{i},{i / 7}\n" for i in range(300)), "300 different words"),
    "decimal comma": (
        "p;y\n" + "".join(f"{i},5;{i / 7}\n" for i in range(300)),
        "decimal comma; write the numbers with a point",
    ),
    "all classes differ": ("a,k\n" + "".join(f"{i},w{i}\n" for i in range(30)), "30 classes in 30 rows"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_refused_in_one_sentence(table, kind):
    text, says = REFUSED[kind]
    path = table(text)
    with pytest.raises(kb.DataError) as caught:
        read_csv(path)
    assert says in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_files_that_are_not_there(tmp_path):
    with pytest.raises(kb.DataError, match="no such file"):
        read_csv(tmp_path / "none.csv")
    with pytest.raises(kb.DataError, match="this is a folder"):
        read_csv(tmp_path)


def test_a_target_that_is_not_there(table):
    path = table("weight,colour\n1,x\n2,y\n")
    with pytest.raises(kb.DataError, match=r"named 'color'; did you mean 'colour'\? The columns are 'weight'"):
        read_csv(path, target="color")
    with pytest.raises(kb.DataError, match="no column at position 7"):
        read_csv(path, target=7)
    with pytest.raises(kb.UsageError, match="task must be"):
        read_csv(path, task="guess")
    with pytest.raises(kb.DataError, match="regression needs numbers"):
        read_csv(path, task="regression")


def test_another_encoding(table):
    path = table("色,種\n1,赤\n2,青\n3,赤\n", encoding="cp932")
    with pytest.raises(kb.DataError, match="cp932"):
        read_csv(path)
    assert read_csv(path, encoding="cp932").class_names == ("赤", "青")
    with pytest.raises(kb.DataError, match="no encoding is named"):
        read_csv(path, encoding="utf-99")


@settings(max_examples=200, deadline=None)
@given(text=st.text(alphabet='01.,;"\n\r\tab-e?\x00 é', max_size=60))
def test_any_text_is_read_or_refused(tmp_path_factory, text):
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_text(text, encoding="utf-8", newline="")
    try:
        data = read_csv(path)
    except kb.DataError:
        return
    assert np.isfinite(data.x).all()
    assert len(data.x) == len(data.t) > 0
