from federa.profiles import Profile
from federa.report.describing import description, environment, profile_in_words, shared_config
from federa.yaml_text import read_yaml
from report.made_runs import made_run, rounds


def test_a_setting_in_words():
    runs = [made_run("lora", 2), made_run("federa", 10)]
    assert description(runs) == {
        "model": "minilm",
        "task": "text classification",
        "data": "semeval2010task8, 480 training examples",
        "split": "dirichlet, alpha 0.1, min examples 8",
        "clients": "4, 2 a round",
        "rounds": "4",
        "aggregation": "fedavg",
        "local training": "adamw, 1 epoch a round, batch 8, up to 64 tokens, constant rate",
        "scored on the way": "every round",
        "seeds": "2, 10",
    }


def test_what_scores_on_the_way_are_worth():
    records = rounds([0.5, None, 0.6, None])
    records[2].scores["validation"] |= {"num_examples": 1200, "standard_error": 0.014142}
    found = description([made_run(records=records, config={"evaluation": {"every": 2}})])
    assert found["scored on the way"] == (
        "every 2 rounds, on 1,200 validation examples, standard error 1.4 points at the end"
    )


def test_all_clients_and_steps_in_words():
    config = {
        "federation": {"num_clients": 4, "num_rounds": 3},
        "train": {"epochs": 2, "max_steps": 30, "learning_rate": 0.1},
    }
    found = description([made_run(config=config)])
    assert found["clients"] == "4, 4 a round"
    assert found["local training"].startswith("adamw, 2 epochs or 30 steps a round")


def test_the_configuration_that_runs_share(tmp_path):
    runs = [made_run("lora", 1), made_run("full", 2)]
    path = tmp_path / "shared.yaml"
    path.write_text(shared_config(runs), encoding="utf-8")
    shared = read_yaml(path)
    assert shared["partition"]["alpha"] == 0.1
    assert shared["train"]["batch_size"] == 8
    assert "seed" not in shared
    assert "name" not in shared.get("method", {})
    path.write_text(shared_config(runs[:1]), encoding="utf-8")
    assert read_yaml(path)["method"]["name"] == "lora"


def test_environments_that_differ_are_listed():
    one = {"commit": "a1", "seed": 1, "command": "federa run", "num_cores": 2}
    other = {"commit": "b2", "seed": 2, "command": "federa run", "num_cores": 2}
    runs = [made_run(environment=one), made_run(environment=other), made_run(environment=one)]
    assert environment(runs) == {"commit": ["a1", "b2"], "num_cores": 2}
    assert environment([made_run()]) == {}


def test_a_profile_in_words(make_profile):
    changes = {"straggler_fraction": 0.1, "straggler_slowdown": 4.0, "deadline_seconds": 600.0}
    assert profile_in_words(make_profile(**changes)) == {
        "device": "bench: 1e-07 TFLOP/s (fp32), of which training reaches 50 %, 1e-05 GB, "
        "10 W in training, 2 W idle",
        "network": "wire: 0.008 Mbit/s down, 0.004 up, round trip 500 ms, 0 % of bytes added",
        "stragglers": "0.1 of the clients of a round train 4 times as long",
        "deadline": "600 s, after which an update is not used",
        "source of bench": "given in the configuration",
        "source of wire": "given in the configuration",
    }


def test_a_mix_in_words_says_shares_sources_and_what_is_assumed():
    given = {"fleet": {"jetson_agx_orin": 3.0, "phone": 1.0}, "network": "wifi_50"}
    found = profile_in_words(Profile.model_validate(given))
    assert "device" not in found
    assert found["fleet"].startswith("75 % jetson_agx_orin: 5.3 TFLOP/s (fp32), of which ")
    assert "; 25 % phone: " in found["fleet"]
    assert "efficiency" in found["assumed of jetson_agx_orin"]
    assert "NVIDIA" in found["source of jetson_agx_orin"]
    assert found["network"] == (
        "wifi_50: 50 Mbit/s down, 50 up, round trip 10 ms, 6 % of bytes added"
    )
