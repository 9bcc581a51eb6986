from federa.report.client_charts import client_charts, shown_labels
from federa.report.findings import Clients


def test_colour_is_a_label_s_share_of_its_client():
    clients = Clients("label", ["a", "b"], [[3, 1], [0, 2]], [4, 2], 0.25, 0.1)
    heat, sizes = client_charts(clients)
    assert [(row["client"], row["name"], row["count"], row["share"]) for row in heat.rows] == [
        (0, "a", 3, 0.75),
        (0, "b", 1, 0.25),
        (1, "b", 2, 1.0),  # no cell for a label that a client does not have
    ]
    assert [row["size"] for row in sizes.rows] == [4, 2]
    assert heat.spec["height"] == sizes.spec["height"]
    assert "0.25 (dealt at random: 0.10)" in heat.note


def test_of_many_labels_the_commonest_are_shown():
    labels = [str(number) for number in range(70)]
    clients = Clients("label", labels, [list(range(70))], [1], 0.0, 0.0)
    assert shown_labels(clients) == list(range(69, 9, -1))
    assert "60 commonest of 70 labels" in client_charts(clients)[0].note


def test_of_many_clients_the_first_are_shown():
    clients = Clients("label", ["a"], [[1]] * 400, [1] * 400, 0.0, 0.0)
    heat, _ = client_charts(clients)
    assert {row["client"] for row in heat.rows} == set(range(150))
    assert "first 150 of 400 clients" in heat.note
    assert heat.spec["height"] <= 750


def test_tiny_shares_get_a_scale_of_their_own():
    few = Clients("label", ["a", "b"], [[1, 1]], [2], 0.0, 0.0)
    many = Clients("label", [str(n) for n in range(50)], [[1] * 50], [50], 0.0, 0.0)
    ends = [client_charts(one)[0].spec["encoding"]["opacity"] for one in (few, many)]
    assert [end["scale"]["domain"] for end in ends] == [[0, 1.0], [0, 0.02]]


def test_a_client_without_labels_has_an_empty_row():
    heat, _ = client_charts(Clients("tag", ["a"], [[0], [2]], [0, 2], 0.0, 0.0))
    assert [row["client"] for row in heat.rows] == [1]
    assert heat.spec["encoding"]["y"]["scale"]["domain"] == [0, 1]
