from federa.report import making
from report.made_runs import made_run, write_run


def test_tables_across_settings_are_written_and_shown(tmp_path, monkeypatch):
    monkeypatch.setattr(making, "write_page", lambda findings, path, more_tables: None)
    monkeypatch.setattr(making, "write_figures", lambda findings, folder: [])
    tests = {"skewed": {"full": 0.70, "lora": 0.50}, "even": {"full": 0.75, "lora": 0.74}}
    for setting, scores in tests.items():
        for method, test in scores.items():
            run = made_run(method, test=test, setting=setting)
            write_run(run, tmp_path / "runs" / setting / method)
    made = making.make_report([tmp_path / "runs"], tmp_path / "out", title="Made")
    assert {path.name for path in made} >= {"overview-gaps.csv", "overview-gap-changes.csv"}
    _, row = (tmp_path / "out" / "tables" / "overview-gap-changes.csv").read_text().splitlines()
    # -1 - -20 points: settings come in the order of their folders
    assert row.startswith("semeval2010task8,lora,test accuracy,even,skewed,-1.0,-20.0,+19.0,-,-,1,")
