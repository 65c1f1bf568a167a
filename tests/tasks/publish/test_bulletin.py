"""Each forecast keeps its bulletin, and the newest lies at the top whoever writes last."""

from pathlib import Path

from data.store.backends.local import LocalStore
from tasks.publish.bulletin import NEWEST, bulletin_name, publish_bulletin


def test_the_newest_bulletin_is_at_the_top_whatever_the_order(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    for number in (3, 12, 7, 11):
        place = publish_bulletin(store, number, f"<p>{number}</p>")
        assert Path(place).read_text() == f"<p>{number}</p>"
    assert (tmp_path / NEWEST).read_text() == "<p>12</p>"
    assert sorted(store.names("bulletins")) == [bulletin_name(number) for number in (3, 7, 11, 12)]


def test_a_bulletin_that_comes_meanwhile_is_shown(tmp_path: Path) -> None:
    class Meanwhile(LocalStore):
        """A store in which another writer puts bulletin 9 just after this one looked."""

        def get(self, name: str) -> bytes | None:
            found = super().get(name)
            if name == bulletin_name(8):
                self.put(bulletin_name(9), b"<p>9</p>")
            return found

    publish_bulletin(Meanwhile(tmp_path), 8, "<p>8</p>")
    assert (tmp_path / NEWEST).read_text() == "<p>9</p>"
