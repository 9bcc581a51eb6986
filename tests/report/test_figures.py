import builtins
import re
from dataclasses import replace

import pytest

from federa.errors import ConfigError, RunError
from federa.report.figures import file_name, in_steady_order, write_figures
from report.synthetic import synthetic_findings


@pytest.fixture(scope="module")
def findings():
    """One setting of one seed, which has every kind of chart."""
    found = synthetic_findings()
    return replace(found, settings=found.settings[2:])


@pytest.fixture(scope="module")
def folder(findings, tmp_path_factory):
    pytest.importorskip("vl_convert")
    folder = tmp_path_factory.mktemp("figures")
    write_figures(findings, folder / "new")
    return folder / "new"


def test_every_chart_is_a_file_with_a_telling_name(folder):
    names = {path.stem for path in folder.glob("*.svg")}
    assert names == {path.stem for path in folder.glob("*.pdf")}
    assert {
        "squad-score-by-rounds",
        "squad-score-by-bytes",
        "squad-score-by-bytes-log",
        "squad-score-by-seconds",
        "squad-test-score",
        "squad-time-to-target-wifi_50",
        "squad-bytes-to-target",
        "squad-energy-to-target",
        "squad-memory",
        "squad-learning-rates",
        "squad-clients-by-label",
        "squad-client-scores",
        "squad-diagnostics-drift",
    } <= names


def test_charts_across_settings_are_files_too(findings, tmp_path):
    pytest.importorskip("vl_convert")
    setting = findings.settings[0]
    few = replace(setting, series=[], networks=[], clients=None, diagnostics=[])
    two = [few, replace(few, name="squad, iid")]
    names = {path.name for path in write_figures(replace(findings, settings=two), tmp_path)}
    assert {"overview-test-scores-squad.svg", "overview-test-scores-squad.pdf"} <= names


def test_figures_are_a_column_wide(folder):
    for path in folder.glob("*.svg"):
        width = float(re.search(r'width="([\d.]+)"', path.read_text())[1])
        assert 250 <= width <= 256, path.name


def test_letters_are_text_and_a_pdf_has_its_font(folder):
    svg = (folder / "squad-score-by-rounds.svg").read_text()
    assert ">target 72.0 %</text>" in svg
    assert ">FeDeRA</text>" in svg
    content = (folder / "squad-score-by-rounds.pdf").read_bytes()
    assert content.startswith(b"%PDF")
    assert b"LiberationSans" in content
    assert b"FontFile2" in content


def test_figures_are_light_whatever_the_page_is(folder):
    assert "#0072b2" in (folder / "squad-score-by-rounds.svg").read_text()


def test_the_same_findings_give_the_same_bytes(findings, folder, tmp_path):
    for path in write_figures(findings, tmp_path):
        assert path.read_bytes() == (folder / path.name).read_bytes(), path.name


def test_sorting_resources_moves_no_object():
    before = b"<<\n  /B 12 0 R\n  /A 3 0 R\n>>\nendobj\n  /Z 1 0 R\n>>\n"
    after = b"<<\n  /A 3 0 R\n  /B 12 0 R\n>>\nendobj\n  /Z 1 0 R\n>>\n"
    assert in_steady_order(before) == after


def test_settings_are_named_as_files_may_be():
    assert file_name("a/b: c..") == "a-b-c"
    assert file_name("../..") == "figure"


def test_what_is_missing_is_named_in_a_line(findings, tmp_path, monkeypatch):
    real = builtins.__import__

    def without(name, *args, **more):
        if name == "vl_convert":
            raise ImportError(name)
        return real(name, *args, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ConfigError, match=r"vl-convert-python .* pip install 'federa\[report\]'"):
        write_figures(findings, tmp_path)


def test_a_folder_that_cannot_be_made(findings, tmp_path):
    pytest.importorskip("vl_convert")
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot write"):
        write_figures(findings, tmp_path / "file")
