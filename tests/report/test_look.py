from dataclasses import replace

import pytest

from federa.report.look import DARK, DASHES, LIGHT, SHAPES, Look, theme
from report.synthetic import synthetic_findings


@pytest.fixture(scope="module")
def findings():
    return synthetic_findings()


def called(findings, *names):
    """Findings whose methods are called by these names."""
    setting = findings.settings[0]
    methods = [replace(setting.methods[0], method=name) for name in names]
    return replace(findings, settings=[replace(setting, methods=methods, series=[])])


def test_a_method_keeps_its_colour_whichever_others_are_there(findings):
    alone = Look.of(called(findings, "full"))
    assert alone.color("full") == Look.of(findings).color("full") == "method5"


def test_others_follow_the_fixed_five_by_name(findings):
    look = Look.of(called(findings, "pfeiffer", "full", "federa-rank-4"))
    assert list(look.labels)[5:] == ["federa-rank-4", "pfeiffer"]
    assert look.labels["pfeiffer"] == "Pfeiffer"
    assert look.labels["federa-rank-4"] == "federa-rank-4"


def test_two_methods_never_share_a_label(findings):
    look = Look.of(called(findings, "lora", "LoRA"))
    assert look.labels["lora"] == "lora"
    assert look.labels["LoRA"] == "LoRA"


def test_fifty_methods_differ_in_colour_or_dash_and_in_shape_or_colour():
    places = range(50)
    assert len({(place % 8, place % len(DASHES)) for place in places}) == 50
    assert len({(place % 8, place % len(SHAPES)) for place in places}) == 50


def contrast(one, other):
    """As WCAG 2.1 defines it."""

    def luminance(color):
        parts = [int(color[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return sum(w * p for w, p in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("colors", [LIGHT, DARK])
def test_letters_and_lines_can_be_seen(colors):
    for name in ("ink", "soft", "accent"):
        assert contrast(colors[name], colors["paper"]) >= 4.5, name
    for number in range(1, 9):
        assert contrast(colors[f"method{number}"], colors["paper"]) >= 3, number


@pytest.mark.parametrize("colors", [LIGHT, DARK])
def test_parts_of_a_bar_differ_in_grey(colors):
    parts = [colors[f"part{number}"] for number in (1, 2, 3)]
    assert contrast(parts[0], parts[1]) >= 1.4
    assert contrast(parts[1], parts[2]) >= 1.4
    assert DARK.keys() == LIGHT.keys()


def test_a_theme_takes_its_colours_from_the_roles():
    config = theme({name: f"var(--{name})" for name in LIGHT}, "Serif", size=10)
    assert config["range"]["category"][4] == "var(--method5)"
    assert config["axis"]["labelColor"] == "var(--soft)"
    assert config["axis"]["labelFontSize"] == 10
