"""Links to published files: pages that open, or places to copy."""

from __future__ import annotations

from tasks.job.links import Links


def test_a_file_of_a_served_store_is_a_link() -> None:
    links = Links("/data/store", "https://yields.example/rye")
    page = "/data/store/runs/12ab/a (b) report.html"
    assert links.address(page) == "https://yields.example/rye/runs/12ab/a%20%28b%29%20report.html"
    assert links.markdown(page, "report") == f"[report]({links.address(page)})"
    assert links.markdown("/data/store/runs/12ab/model") == "/data/store/runs/12ab/model"
    assert links.address("/data/stores/x.html") == "/data/stores/x.html"


def test_without_an_address_the_place_is_shown() -> None:
    links = Links("s3://bucket/store")
    assert links.address("s3://bucket/store/x.html") == "s3://bucket/store/x.html"
    assert links.markdown("s3://bucket/store/x_<b>.html") == r"s3://bucket/store/x\_&lt;b&gt;.html"
    assert links.markdown("s3://bucket/x.html", "report") == "report: s3://bucket/x.html"
