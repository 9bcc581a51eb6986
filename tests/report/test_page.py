import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from federa.report.findings import Clients
from federa.report.page import script_json, write_page
from federa.report.rendering import Table
from report.synthetic import synthetic_findings

pytest.importorskip("vl_convert")
HOSTILE = "</script><script>alert(1)</script><!--&\"'\u2028"


class Elements(HTMLParser):
    """What stands in a page: elements with their attributes, and text by element."""

    def __init__(self, text):
        super().__init__()
        self.found, self.texts, self.open = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        if tag not in ("meta", "link", "input", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_startendtag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_data(self, text):
        self.texts.append((self.open[-1] if self.open else "", text))

    def all(self, tag):
        return [attributes for name, attributes in self.found if name == tag]


@pytest.fixture(scope="module")
def findings():
    return synthetic_findings()


@pytest.fixture(scope="module")
def page(findings, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "report.html"
    write_page(findings, path)
    return path.read_text(encoding="utf-8")


def written(findings, tmp_path, **more):
    write_page(findings, tmp_path / "report.html", **more)
    return (tmp_path / "report.html").read_text(encoding="utf-8")


def data_of(page):
    start = page.index('id="data">') + len('id="data">')
    return json.loads(page[start : page.index("</script>", start)])


def test_the_page_is_one_file_of_less_than_three_megabytes(page):
    elements = Elements(page)
    assert elements.open == []
    for tag in ("script", "img", "iframe", "object"):
        assert all("src" not in attributes for attributes in elements.all(tag)), tag
    assert [link["href"] for link in elements.all("link")] == ["data:,"]
    assert len(page.encode()) < 3_000_000


def test_the_page_forbids_requests(page):
    (policy,) = (meta["content"] for meta in Elements(page).all("meta") if "http-equiv" in meta)
    assert policy.startswith("default-src 'none';")
    assert "http" not in policy
    assert "eval" not in policy


def test_every_chart_has_its_place_and_its_data(page):
    data = data_of(page)
    places = {attributes["data-chart"] for attributes in Elements(page).all("figure")}
    switched = {name for name in data["charts"] if "-score-by-" in name}
    assert places == set(data["charts"]) - switched | {f"s{n}-score-by-rounds" for n in (1, 2, 3)}
    for name, chart in data["charts"].items():
        assert data["rows"][chart["rows"]], name
    # the three axes and their logarithms draw from the same rows
    assert len({data["charts"][name]["rows"] for name in switched if name.startswith("s1-")}) == 1


def test_tables_say_what_is_a_heading(page):
    elements = Elements(page)
    assert {attributes.get("scope") for attributes in elements.all("th")} == {"col", "row"}


def test_everything_is_told(page):
    text = " ".join(" ".join(text for _, text in Elements(page).texts).split())
    for said in (
        "Five methods on made-up data",
        "between it and FeDeRA no winner can be named",
        "Target not reached in 40 rounds by BitFit.",
        "Too large for the memory of the devices: full fine-tuning.",
        "mean of the last three scored rounds, of fewer at the start",
        "federa compare semeval.yaml --methods federa,lora,bitfit,houlsby,full --seeds 3",
        "jetson_agx_orin: 5.3 TFLOP/s, 30 % of it reached, 56 GB",
        "model: minilm federation: num_rounds: 40",
        "versions torch 2.9.0",
        "squad: one seed; nothing can be said about the spread.",
    ):
        assert said in text, said


def hostile(findings):
    """Every text that comes from data or configurations is the hostile one."""
    setting = findings.settings[0]
    one = replace(setting.methods[0], method=HOSTILE, failures={1: HOSTILE})
    series = [replace(run, method=HOSTILE) for run in setting.series[:3]]
    return replace(
        findings,
        title=HOSTILE,
        smoothing=HOSTILE,
        notes=[HOSTILE],
        commands=[HOSTILE],
        profile={HOSTILE: HOSTILE},
        environment={HOSTILE: {HOSTILE: HOSTILE}},
        configs={HOSTILE: HOSTILE},
        settings=[
            replace(
                setting,
                name=HOSTILE,
                description={HOSTILE: HOSTILE},
                score=HOSTILE,
                target_source=HOSTILE,
                methods=[one],
                series=series,
                differences=[],
                networks=[replace(setting.networks[0], network=HOSTILE, method=HOSTILE)],
                clients=Clients(HOSTILE, [HOSTILE], [[1]], [1], 0.1, 0.1),
                diagnostics=[
                    replace(run, method=HOSTILE, layers=[HOSTILE, *run.layers[1:]])
                    for run in setting.diagnostics[:1]
                ],
            )
        ],
    )


def test_nothing_in_the_data_breaks_the_page(findings, tmp_path):
    table = Table(HOSTILE, HOSTILE, (HOSTILE,), ((HOSTILE,),), HOSTILE)
    page = written(hostile(findings), tmp_path, more_tables=[table])
    assert "<script>alert" not in page
    elements = Elements(page)
    assert len(elements.all("script")) == 3
    assert elements.open == []
    assert HOSTILE in str(data_of(page)).replace("\\u2028", "\u2028") or HOSTILE in json.dumps(
        data_of(page), ensure_ascii=False
    ).replace('\\"', '"')


def test_json_in_a_script_reads_back_as_it_was():
    value = {"text": HOSTILE, "number": 0.5, "none": None}
    text = script_json(value)
    assert json.loads(text) == value
    assert not re.search("[<>&\u2028\u2029]", text)


def test_the_same_findings_give_the_same_bytes(findings, page, tmp_path):
    assert written(findings, tmp_path) == page


def test_further_tables_have_a_section(findings, tmp_path):
    table = Table("paper", "Beside the paper", ("task", "ours"), (("one", "97"),), "A note.")
    page = written(findings, tmp_path, more_tables=[table])
    assert '<section id="more">' in page
    assert "Beside the paper" in page


def test_the_overview_answers_across_settings(page):
    before, _ = page.split('<section class="setting"', 1)
    overview = before.split('<section id="overview">', 1)[1]
    elements = Elements(overview[: overview.rindex("</section>")])
    charts = [attributes["data-chart"] for attributes in elements.all("figure")]
    assert charts == ["overview-test-scores-semeval", "overview-test-scores-squad"]
    buttons = [attributes["data-method"] for attributes in elements.all("button")]
    assert buttons == ["FeDeRA", "LoRA", "BitFit", "Houlsby", "Full"]
    texts = {text.strip() for _, text in elements.texts}
    assert "Change of the gap to full fine-tuning between settings" in texts
    assert "Gap to full fine-tuning by setting" in texts
    (said,) = (text for text in texts if text.startswith("semeval, accuracy on test, against"))
    assert "stands less than 0.1 points lower" in said


def test_one_setting_has_no_overview(findings, tmp_path):
    page = written(replace(findings, settings=findings.settings[:1]), tmp_path)
    assert "Test scores by setting" not in page
    assert "Gap to full fine-tuning" not in page


def test_findings_of_little_give_a_page_of_little(findings, tmp_path):
    setting = replace(
        findings.settings[0],
        description={},
        target=None,
        baseline=None,
        methods=[],
        series=[],
        differences=[],
        networks=[],
        clients=None,
        diagnostics=[],
        ceiling={},
    )
    bare = replace(
        findings, settings=[setting], profile={}, commands=[], configs={}, environment={}, notes=[]
    )
    page = written(bare, tmp_path)
    assert "No run has a test score yet." in page
    assert "No profile was given" in page
    assert "<figure" not in page
    assert "Cost to the target" not in page
    assert data_of(written(replace(bare, settings=[]), tmp_path))["charts"] == {}
