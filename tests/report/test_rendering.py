import csv
import io

import pytest

from federa.report.rendering import Table, setting_table, write_tables

TABLE = Table(
    name="semeval/iid-scores",
    title="Scores of e1_e2 & others",
    columns=("method", "test F1 (%)", "difference"),
    rows=(("a|b_c", "79.0 ± 0.8", "-0.9"), ('{x}$#~^\\<"', "-", "+1.2, -3")),
    note="50 % of *all*\nseeds",
)


def test_markdown_keeps_bars_and_marks_as_text():
    assert TABLE.to_markdown().splitlines() == [
        r"**Scores of e1\_e2 & others**",
        "",
        "| method | test F1 (%) | difference |",
        "| --- | ---: | ---: |",
        r"| a\|b\_c | 79.0 ± 0.8 | -0.9 |",
        r'| {x}$\#\~^\\\<" | - | +1.2, -3 |',
        "",
        r"50 % of \*all\* seeds",
    ]


def test_csv_gives_every_cell_back():
    rows = list(csv.reader(io.StringIO(TABLE.to_csv())))
    assert tuple(map(tuple, rows)) == (TABLE.columns, *TABLE.rows)


def test_latex_is_escaped_and_has_minus_signs():
    assert TABLE.to_latex().splitlines() == [
        r"\begin{table}",
        r"\centering",
        r"\caption{Scores of e1\_e2 \& others}",
        r"\label{tab:semeval-iid-scores}",
        r"\begin{tabular}{lrr}",
        r"\toprule",
        r"method & test F1 (\%) & difference \\",
        r"\midrule",
        r"a\textbar{}b\_c & 79.0 $\pm$ 0.8 & $-$0.9 \\",
        r"\{x\}\$\#\textasciitilde{}\textasciicircum{}\textbackslash{}\textless{}"
        r"\textquotedbl{} & -- & +1.2, $-$3 \\",
        r"\bottomrule",
        r"\end{tabular}",
        "",
        r"\medskip",
        r"\parbox{\linewidth}{\footnotesize 50 \% of *all* seeds}",
        r"\end{table}",
    ]


def test_rows_fill_their_columns():
    with pytest.raises(AssertionError):
        Table("t", "t", ("a", "b"), (("1",),))


def test_a_table_of_columns():
    table = setting_table("iid", "sizes", "sizes", [("method", ["a", "b"]), ("n", ["1", "2"])])
    assert (table.name, table.title) == ("iid-sizes", "iid: sizes")
    assert table.rows == (("a", "1"), ("b", "2"))


def test_files_in_three_formats_and_no_folder_but_the_one_asked_for(tmp_path):
    written = write_tables([TABLE], tmp_path / "new" / "tables")
    assert [path.name for path in written] == [
        "semeval-iid-scores.md",
        "semeval-iid-scores.csv",
        "semeval-iid-scores.tex",
    ]
    assert written[1].read_text(encoding="utf-8") == TABLE.to_csv()
    assert write_tables([TABLE], tmp_path / "new" / "tables") == written
