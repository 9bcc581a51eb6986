"""The page in a real browser: what it draws, whether it fits, and that it tells nobody."""

import os
import shutil
from dataclasses import replace

import pytest

from federa.report.figures import all_charts
from federa.report.findings import Clients
from federa.report.look import Look
from federa.report.overview_charts import overview_charts
from federa.report.page import write_page
from report.synthetic import synthetic_findings

pytest.importorskip("vl_convert")
sync_api = pytest.importorskip("playwright.sync_api")
CHROMIUM = (
    os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium"),
]
DESKTOP, PHONE = (1280, 900), (360, 740)
SECONDS = 60_000


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def long_path(tmp_path_factory):
    """A report of every kind of chart; of many clients and labels, the last."""
    findings = synthetic_findings()
    labels = [f"a label with a long name, number {number}" for number in range(80)]
    counts = [[(7 * client + 3 * label) % 11 for label in range(80)] for client in range(200)]
    wide = Clients("label", labels, counts, [sum(row) for row in counts], 0.3, 0.1)
    first, second, last = findings.settings
    settings = [first, second, replace(last, clients=wide)]
    path = tmp_path_factory.mktemp("page") / "report.html"
    write_page(replace(findings, settings=settings), path)
    return path


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """A report of one setting and of a second with little in it, which are drawn sooner."""
    findings = synthetic_findings()
    first, second, _ = findings.settings
    second = replace(second, networks=[], clients=None, diagnostics=[])
    path = tmp_path_factory.mktemp("page") / "report.html"
    write_page(replace(findings, settings=[first, second]), path)
    return path


@pytest.fixture
def open_page(browser, path):
    """Opens the page, waits for its charts, and holds it to silence when the test is over."""
    contexts, said = [], []

    def go(size=DESKTOP, scheme="light", where=path):
        width, height = size
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme=scheme
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: said.append(request.url))
        page.goto(where.as_uri())
        said.remove(where.as_uri())  # the page itself
        page.wait_for_selector("html[data-charts=drawn]", timeout=SECONDS)
        return page

    yield go
    for context in contexts:
        context.close()
    assert said == []


FEDERA_LINE = '[data-chart="s1-score-by-rounds"] .mark-line path'


def stroke(page):
    return page.locator(FEDERA_LINE).first.evaluate("one => getComputedStyle(one).stroke")


@pytest.mark.parametrize("size", [DESKTOP, PHONE])
def test_every_chart_is_drawn_and_nothing_sticks_out(open_page, long_path, size):
    page = open_page(size, where=long_path)
    found = page.evaluate(
        """() => [...document.querySelectorAll(".chart")].map((figure) => {
            const svg = figure.querySelector(".canvas svg");
            return [figure.dataset.chart, svg?.querySelectorAll("path, line, text").length ?? 0,
                    svg ? svg.getBoundingClientRect().right : Infinity];
        })"""
    )
    findings = synthetic_findings()
    look = Look.of(findings)
    charts = [all_charts(setting, look) for setting in findings.settings]
    across = overview_charts(findings, look)
    num_switched = 4  # bytes and seconds, linear and logarithmic, share their place with rounds
    assert len(found) == len(across) + sum(map(len, charts)) - num_switched * len(charts)
    for chart, marks, right in found:
        assert marks > 8, chart
        assert right <= size[0], chart
    assert page.evaluate("document.scrollingElement.scrollWidth <= innerWidth")


def test_charts_follow_the_width_of_the_window(open_page):
    page = open_page(DESKTOP)
    page.set_viewport_size({"width": 500, "height": 900})
    page.wait_for_function(
        """() => [...document.querySelectorAll(".canvas svg")].every(
            (svg) => svg.getBoundingClientRect().right <= 500)"""
    )
    assert page.evaluate("document.scrollingElement.scrollWidth <= innerWidth")


def test_every_chart_has_words_for_those_who_cannot_see_it(open_page):
    page = open_page()
    words = page.evaluate(
        """() => [...document.querySelectorAll(".canvas")].map(
            (one) => (one.getAttribute("aria-label") ??
                      one.querySelector("[aria-label]").getAttribute("aria-label")))"""
    )
    assert all(word and word.endswith(".") for word in words)
    assert words[0].startswith("Dot plot of accuracy on the test set")
    assert "Full: 9.3 GB, does not fit." in " ".join(words)


def choose_axis(page, name):
    """Not forced: the page scrolls smoothly, and a click before it rests would go elsewhere."""
    page.locator("#s1").get_by_role("radio", name=name).check()


def test_the_axis_is_switched(open_page):
    page = open_page()
    figure = page.locator(".setting").first.locator("[data-chart*=score-by]")
    section = page.locator("#s1")
    assert section.get_by_role("checkbox").is_disabled()
    choose_axis(page, "bytes")
    figure.locator("text=sent and received by all clients, GB").wait_for()
    section.get_by_role("checkbox").check()
    page.wait_for_selector('[data-chart="s1-score-by-bytes-log"] [aria-label*="log scale"]')
    choose_axis(page, "modelled time")
    figure.locator("text=modelled time, min").wait_for()
    assert "log scale" in figure.locator(".canvas").inner_html()
    choose_axis(page, "rounds")
    figure.locator("svg >> text=rounds").wait_for()
    assert section.get_by_role("checkbox").is_disabled()
    # other settings stay as they were
    assert page.locator('[data-chart="s2-score-by-rounds"]').count() == 1


def test_a_method_is_left_out_by_its_button(open_page):
    page = open_page()
    lines = page.locator(FEDERA_LINE)
    assert lines.count() == 5
    button = page.locator("#s1").get_by_role("button", name="BitFit")
    button.focus()
    page.keyboard.press("Enter")
    page.wait_for_function(f"() => document.querySelectorAll('{FEDERA_LINE}').length == 4")
    assert button.get_attribute("aria-pressed") == "false"
    # what is drawn later leaves it out too
    choose_axis(page, "bytes")
    page.wait_for_selector('[data-chart="s1-score-by-bytes"] svg')
    page.wait_for_function(
        """() => document.querySelectorAll(
            '[data-chart="s1-score-by-bytes"] .mark-line path').length == 4"""
    )
    button.click()
    page.wait_for_function(
        """() => document.querySelectorAll(
            '[data-chart="s1-score-by-bytes"] .mark-line path').length == 5"""
    )


def test_a_method_stands_out_under_the_pointer(open_page):
    page = open_page()
    page.locator("#s1").get_by_role("button", name="LoRA").hover()
    page.wait_for_function(
        f"""() => [...document.querySelectorAll('{FEDERA_LINE}')].map(
            (one) => Number(getComputedStyle(one).opacity)).join() == "0.15,1,0.15,0.15,0.15" """
    )


def test_the_overview_has_methods_of_its_own_to_choose(open_page):
    page = open_page(PHONE)
    dots = '[data-chart="overview-test-scores-semeval"] .mark-symbol path'
    assert page.locator(dots).count() == 2 * 5
    page.locator("#overview").get_by_role("button", name="BitFit").click()
    page.wait_for_function(f"() => document.querySelectorAll('{dots}').length == 2 * 4")
    assert page.locator(FEDERA_LINE).count() == 5  # settings stay as they were
    names = page.locator('[data-chart="overview-test-scores-semeval"] .role-axis-label text')
    assert {"dirichlet-0.1", "iid"} <= set(names.all_text_contents())


def test_a_layer_is_chosen(open_page):
    page = open_page()
    chart = page.locator('[data-chart="s1-diagnostics-magnitude"] .canvas')
    shape = chart.locator(".mark-line path").first.get_attribute("d")
    page.locator("#s1").get_by_role("combobox").select_option("layer.3.attention.self.value")
    page.wait_for_function(
        """(shape) => {
            const path = document.querySelector(
                '[data-chart="s1-diagnostics-magnitude"] .mark-line path');
            return path && path.getAttribute("d") != shape;
        }""",
        arg=shape,
    )
    words = chart.get_attribute("aria-label")
    assert words == "Magnitude variation against rounds, layer.3.attention.self.value."


def test_a_tooltip_tells_the_numbers(open_page):
    page = open_page()
    chart = page.locator('[data-chart="s1-memory"] .canvas')
    chart.scroll_into_view_if_needed()
    chart.locator(".mark-rect path").last.hover(force=True)
    tooltip = page.locator("#vg-tooltip-element.visible")
    tooltip.wait_for()
    assert "9.3 GB, does not fit" in tooltip.inner_text()


def test_dark_is_dark_and_the_button_turns_it(open_page):
    page = open_page(scheme="dark")
    assert stroke(page) == "rgb(86, 180, 233)"
    page.locator("#theme").click()
    assert stroke(page) == "rgb(0, 114, 178)"
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    page.locator("#theme").click()
    assert stroke(page) == "rgb(86, 180, 233)"


def test_paper_is_light_and_shows_everything(open_page):
    page = open_page(scheme="dark")
    page.emulate_media(media="print", color_scheme="dark")
    assert stroke(page) == "rgb(0, 114, 178)"
    assert not page.locator("nav").is_visible()
    assert not page.locator("#theme").is_visible()
    assert page.locator(".setting:visible").count() == 2
    pdf = page.pdf(format="A4")
    assert pdf.startswith(b"%PDF")
    assert page.locator("main details:not([open])").count() == 0


def test_commands_are_copied_or_selected(open_page):
    page = open_page()
    page.locator("#copy").click()
    page.wait_for_function("() => document.getElementById('copy').textContent != 'Copy'")


def test_a_hostile_label_stays_a_label(open_page, tmp_path):
    findings = synthetic_findings()
    name = "</script><img src=x onerror=alert(1)>"
    setting = findings.settings[2]
    clients = Clients("label", [name, "b"], [[3, 1], [0, 2]], [4, 2], 0.2, 0.1)
    methods = [replace(setting.methods[0], method=name), *setting.methods[1:]]
    series = [replace(setting.series[0], method=name), *setting.series[1:]]
    hostile = replace(
        setting,
        methods=methods,
        series=series,
        clients=clients,
        differences=[],
        networks=[],
        diagnostics=[],
    )
    where = tmp_path / "hostile.html"
    write_page(replace(findings, title=name, settings=[hostile]), where)
    page = open_page(where=where)
    assert page.title() == name
    assert page.locator("img").count() == 0
    page.locator('[data-chart="s1-clients-by-label"] .mark-rect path').first.hover(force=True)
    tooltip = page.locator("#vg-tooltip-element.visible")
    tooltip.wait_for()
    assert "onerror" in tooltip.inner_text()
    assert page.locator("img").count() == 0
