"""Files read by a map: what the header must have, how a file may be written, and customers whom several rows make."""

from __future__ import annotations

import gc

import pytest

from schemas import csv_rows
from schemas.csv_errors import CsvErrors
from schemas.csv_rows import ROWS_PER_BLOCK
from schemas.mapping.mapped import Counts, mapped_contracts
from tests.contract.mapping_cases import Export, contract_map, customer_map

# ── the header ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_column_that_is_not_there_is_told_with_the_place_in_the_map(export: Export) -> None:
    mapping = contract_map({"product": {"column": "Plan"}}, each={"site": {"column": "Site"}}, ignore=["Note"])
    errors = export.refused("Code,Plam,Note\n", mapping)
    assert [str(error) for error in errors] == [
        "export.csv line 1, column Site: the column is missing, and each.site of the map reads it: "
        "the header has Code, Plam, Note",
        "export.csv line 1, column Plan: the column is missing, and contracts[0].product of the map reads it: "
        "is it Plam?",
        "export.csv line 1, column Plam: the map neither reads nor ignores it: read it, write it under ignore, "
        "or say other_columns",
    ]


def test_a_file_with_another_delimiter_is_told_so(export: Export) -> None:
    mapping = contract_map({"product": {"column": "Plan"}}, other_columns="ignore")
    assert "write the file's own mark as file.delimiter" in str(export.refused("Code;Plan\n1;x\n", mapping)[0])


@pytest.mark.parametrize("content", ["", "\n", "A title\n"])
def test_a_file_without_a_header_is_told_so(export: Export, content: str) -> None:
    mapping = contract_map(file={"header_line": 2}) if content else contract_map()
    (error,) = export.refused(content, mapping)
    assert (error.line, error.column) == (2 if content else 1, "Code")
    assert "there is no header" in error.problem


def test_a_column_that_is_there_twice_is_refused(export: Export) -> None:
    (error,) = export.refused("Code,Code\n1,2\n", contract_map())
    assert str(error) == "export.csv line 1, column Code: the column is there twice: give each a name of its own"


def test_a_column_without_a_name_is_left_out(export: Export) -> None:
    assert len(export.contracts("Code,\n1,\n", contract_map())) == 1


def test_other_columns_become_attributes_under_their_names(export: Export) -> None:
    mapping = contract_map({"site": {"column": "Site"}}, other_columns="attributes", ignore=["Mail"])
    content = "Code,Site,Sales person,Mail,N°\n1,x, Rossi ,a@b.example,\n2,x,,,7\n"
    one, two = export.contracts(content, mapping)
    assert (one.attributes, two.attributes) == ({"Sales person": "Rossi"}, {"N°": "7"})


def test_an_attribute_and_another_column_of_one_name_are_refused(export: Export) -> None:
    mapping = contract_map({"attributes": {"Note": {"column": "Code"}}}, other_columns="attributes")
    (error,) = export.refused("Code,Note\n1,x\n", mapping)
    assert "the map has an attribute of this name" in str(error)


def test_ignored_columns_are_not_read(export: Export) -> None:
    (one,) = export.contracts(b"Code,Note\n1,\xff\0\n", contract_map(ignore=["Note"]))
    assert one.contract_id == "K-1"


# ── encodings and quoting ──────────────────────────────────────────────────────────────────────────────────────

PLACES = "Code,Site\n1,città\n2,Łódź\n"


@pytest.mark.parametrize(
    ("encoding", "content"),
    [
        ("utf-8", PLACES.encode()),
        ("utf-8", b"\xef\xbb\xbf" + PLACES.encode()),
        ("utf-16", PLACES.encode("utf-16")),
        ("utf-16", PLACES.replace("\n", "\r\n").encode("utf-16")),
        ("cp1250", PLACES.replace("à", "á").encode("cp1250")),
        ("cp1252", PLACES.replace("Łódź", "€").encode("cp1252")),
        ("iso-8859-1", PLACES.replace("Łódź", "È").encode("iso-8859-1")),
        ("iso-8859-15", PLACES.replace("Łódź", "€").encode("iso-8859-15")),
        ("cp850", PLACES.replace("Łódź", "È").encode("cp850")),
    ],
)  # fmt: skip
def test_a_file_is_read_in_its_own_encoding(export: Export, encoding: str, content: bytes) -> None:
    mapping = contract_map({"site": {"column": "Site"}}, file={"encoding": encoding})
    made = export.contracts(content, mapping)
    expected = content.decode("utf-8-sig" if encoding == "utf-8" else encoding).split()
    assert [contract.site for contract in made] == [line.partition(",")[2] for line in expected[1:]]


def test_a_byte_that_is_not_of_the_encoding_is_told_with_line_and_column(export: Export) -> None:
    mapping = contract_map({"site": {"column": "Site"}}, file={"encoding": "cp1252"})
    (error,) = export.refused(b"Code,Site\n1,citt\xe0\n2,x\x81\n", mapping)
    assert (error.line, error.column) == (3, "Site")
    assert error.problem == "has a byte (0x81) that is not CP1252: name the file's own encoding in the map"


def test_a_file_that_is_not_utf16_is_told_so(export: Export) -> None:
    mapping = contract_map(file={"encoding": "utf-16"})
    (error,) = export.refused("Code\n1\n22".encode("utf-16") + b"\x00", mapping)
    assert "the file is not utf-16 from here on" in str(error)


def test_many_chunks_of_another_encoding_are_joined_at_whole_lines(
    export: Export, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_rows, "_CHUNK_BYTES", 1000)
    mapping = contract_map({"site": {"column": "Site"}}, file={"encoding": "utf-16"})
    content = "Code,Site\n" + "".join(f"{n},Ċ{n}\n" for n in range(3000))  # Ċ has the byte of a line's end in it
    made = export.contracts(content.encode("utf-16"), mapping)
    assert [contract.site for contract in made] == [f"Ċ{n}" for n in range(3000)]


@pytest.mark.parametrize(
    ("shape", "content"),
    [
        ({"delimiter": "tab"}, "Code\tSite\n1\ta,b\n"),
        ({"delimiter": "\t"}, "Code\tSite\n1\ta,b\n"),
        ({"delimiter": "|"}, 'Code|Site\n1|"a,b"\n'),
        ({"quote": "'"}, "Code,Site\n1,'a,b'\n"),
        ({"delimiter": ";", "quote": "none"}, "Code;Site\n1;a,b\n"),
    ],
)
def test_delimiters_and_quotes(export: Export, shape: dict[str, str], content: str) -> None:
    (one,) = export.contracts(content, contract_map({"site": {"column": "Site"}}, file=shape))
    assert one.site == "a,b"


def test_quotes_that_are_none_are_kept(export: Export) -> None:
    mapping = contract_map({"site": {"column": "Site"}}, file={"quote": "none"})
    assert export.contracts('Code,Site\n1,"x\n', mapping)[0].site == '"x'


# ── customers ──────────────────────────────────────────────────────────────────────────────────────────────────

PEOPLE = "Code,Name,Mail\n1,Zoë,z@c1.example\n2,,\n1,Zoë,z@c1.example\n"


def test_a_customer_whom_two_rows_make_is_refused_unless_the_map_allows_it(export: Export) -> None:
    (error,) = export.refused(PEOPLE, customer_map())
    assert str(error) == 'export.csv line 4, column Code: "1" is there twice: line 2 has it already'


def test_a_customer_whom_several_rows_make_alike_is_one(export: Export) -> None:
    made = export.customers(PEOPLE, customer_map(repeated="once"))
    assert [customer.customer_id for customer in made] == ["1", "2"]
    assert (export.counts.rows, export.counts.repeated) == (3, 1)


@pytest.mark.parametrize("apart", [0, 2 * ROWS_PER_BLOCK])
def test_a_customer_whom_two_rows_make_differently_is_refused(export: Export, apart: int) -> None:
    between = "".join(f"x{n},,\n" for n in range(apart))
    (error,) = export.refused(PEOPLE + between + "1,Zoé,z@c1.example\n", customer_map(repeated="once"))
    assert (error.line, error.column) == (5 + apart, "Code")
    assert "is there twice: line 2 has it already" in error.problem


def test_a_stream_of_another_encoding_is_left_open_for_whoever_opened_it(export: Export) -> None:
    export.write("Code\n1\n2 2\n".encode("utf-16"))
    with export.path.open() as file:
        with pytest.raises(CsvErrors):
            list(mapped_contracts(file, contract_map(file={"encoding": "utf-16"}), Counts()))
        gc.collect()
        assert not file.closed
