"""Large JSON files are read element by element, alike wherever their pieces end."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from undercoat.data.readers import streamed_json
from undercoat.data.readers.streamed_json import elements
from undercoat.errors import DataError

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None)
@given(
    content=st.dictionaries(st.text(max_size=5), st.lists(values, max_size=4) | values, max_size=4),
    piece=st.integers(1, 7),
    indent=st.sampled_from([None, 2]),
)
def test_like_reading_it_whole(tmp_path_factory, content, piece, indent):
    path = tmp_path_factory.mktemp("json") / "a.json"
    path.write_text(json.dumps(content, indent=indent, ensure_ascii=False), encoding="utf-8")
    wanted = [(name, element) for name, found in content.items() if isinstance(found, list) for element in found]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(streamed_json, "_READ", piece)
        assert list(elements(path)) == wanted


def test_a_list_at_the_top(tmp_path):
    path = tmp_path / "a.json"
    path.write_text('\ufeff[ {"a": 1} , 2\n]', encoding="utf-8")
    assert list(elements(path, "")) == [("", {"a": 1}), ("", 2)]


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ('{"images": [{"id": 1}, {"id"', "a.json' is cut off or no JSON"),
        ('{"images": [{"id": 1}', "it ends in the middle"),
        ("", "it ends in the middle"),
        ("not json", "'{' is missing before 'not json'"),
        ('{"images": [1, }', "a.json' is cut off or no JSON"),
        ('{"pictures": []}', "it has no list 'images'; fetch it again"),
        ("[1]", "it has no list 'images'"),
        ('{"images": ' + "[" * 5000, "cut off or no JSON"),
    ],
)
def test_mistakes(tmp_path, text, hint):
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(DataError) as error:
        list(elements(path, "images"))
    assert hint in str(error.value)
    assert "\n" not in str(error.value)


def test_bytes_that_are_no_text(tmp_path):
    path = tmp_path / "a.json"
    path.write_bytes(b'{"images": ["\xff\xfe"]}')
    with pytest.raises(DataError, match="is not UTF-8 text"):
        list(elements(path, "images"))
