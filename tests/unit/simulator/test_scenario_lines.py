"""Where keys stand in TOML: checked against every shape of key and value, and against tomllib."""

import tomllib

from hypothesis import given
from hypothesis import strategies as st

from simulator.scenarios.lines import line_of, lines_of

TEXT = '''\
title = "a # no comment, [no] header"   # a comment with "quotes"
plain = 1

[fleet]
mix = { housing = 1, office = [1, 2] }
"quoted key".'other' = true
many = [
    1,          # with a comment ]
    "two",
    [3, 4],
    { five = 5, six = [
      6 ] },
]

[fleet.deep.er]
text = """
[not.a.header]
key = "no key" \\""" still inside
"""
raw = \'\'\'
a = \'\'\'\'
after = 2026-03-24T08:30:00+08:00

[[happens]]
what = "x"

[[happens]]
what = "y"
[happens.detail]
size = 3
[[happens.more]]
one = 1
[[happens.more]]
one = 2
'''

WANTED = {
    (): 1,
    ("title",): 1,
    ("plain",): 2,
    ("fleet",): 4,
    ("fleet", "mix"): 5,
    ("fleet", "mix", "housing"): 5,
    ("fleet", "mix", "office", 1): 5,
    ("fleet", "quoted key", "other"): 6,
    ("fleet", "many"): 7,
    ("fleet", "many", 0): 8,
    ("fleet", "many", 1): 9,
    ("fleet", "many", 2): 10,
    ("fleet", "many", 2, 1): 10,
    ("fleet", "many", 3): 11,
    ("fleet", "many", 3, "five"): 11,
    ("fleet", "many", 3, "six"): 11,
    ("fleet", "many", 3, "six", 0): 12,
    ("fleet", "deep"): 15,
    ("fleet", "deep", "er", "text"): 16,
    ("fleet", "deep", "er", "raw"): 20,
    ("fleet", "deep", "er", "after"): 22,
    ("happens",): 24,
    ("happens", 0, "what"): 25,
    ("happens", 1): 27,
    ("happens", 1, "what"): 28,
    ("happens", 1, "detail", "size"): 30,
    ("happens", 1, "more", 0, "one"): 32,
    ("happens", 1, "more", 1): 33,
    ("happens", 1, "more", 1, "one"): 34,
}


def paths_in(value, path=()):
    yield path
    if isinstance(value, dict):
        for key, one in value.items():
            yield from paths_in(one, (*path, key))
    elif isinstance(value, list):
        for i, one in enumerate(value):
            yield from paths_in(one, (*path, i))


def test_every_key_has_its_line():
    lines = lines_of(TEXT)
    assert {path: lines[path] for path in WANTED} == WANTED
    assert set(lines) == set(paths_in(tomllib.loads(TEXT)))


def test_a_path_that_is_nowhere_has_the_line_of_its_table():
    assert line_of(lines_of(TEXT), ("happens", 1, "detail", "missing")) == 29
    assert line_of(lines_of(TEXT), ("missing",)) == 1


def test_an_empty_text_and_one_without_a_last_line_break():
    assert lines_of("") == {(): 1}
    assert lines_of("\n\na = 1 # end")[("a",)] == 3


KEYS = st.text("abcdef-_", min_size=1, max_size=4)
SCALARS = st.sampled_from(
    ["1", "-2.5", "true", '"x = [1]"', "'y # z'", '"""\nmore\n"""', "'''a\nb'''", r'"\\"']
)


def inline(children):
    tables = st.dictionaries(KEYS, children, max_size=3).map(
        lambda d: "{ " + ", ".join(f"{k} = {v}" for k, v in d.items()) + " }"
    )
    lists = st.lists(children, max_size=3).map(lambda items: "[\n" + ",\n".join(items) + " ]")
    return tables | lists


@given(st.lists(st.dictionaries(KEYS, st.recursive(SCALARS, inline, max_leaves=5)), max_size=4))
def test_whatever_tomllib_reads_has_lines(tables):
    text = "".join(
        f"[[t]] # {i}\n" + "".join(f"{k} = {v}\n" for k, v in table.items())
        for i, table in enumerate(tables)
    )
    lines = lines_of(text)
    assert set(lines) == set(paths_in(tomllib.loads(text)))
    rows = text.split("\n")
    for path, line in lines.items():
        if len(path) == 3:
            assert rows[line - 1].startswith(str(path[2]))
