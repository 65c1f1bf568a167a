"""The message for weather whose rows repeat a region and time: copies, conflicts, one row per variable."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from data.contracts.vocabulary import Reason
from data.errors import InputError
from data.locations.uris import redact_uri
from data.settings.schema import Settings
from tasks.ledger import rejected


def repeated_rows(settings: Settings, rows: int, copies: int, some: pa.Table) -> InputError:
    """The error for `copies` of `rows` rows in scope that share their key; `some` of them.

    `some` is laid out as contracts.REJECTED. Looks at the files once more:
    does a column of text tell the rows apart?
    """
    counts = rejected.counts(some)
    conflicts, exact = (counts.get(str(reason), 0) for reason in (Reason.CONFLICT, Reason.DUPLICATE))
    share = "every row in scope repeats" if copies >= rows else f"{copies} of {rows} rows in scope repeat"
    if conflicts <= exact:
        said = "with the same values: is a file there twice?"
    else:
        row = some.filter(pc.equal(some["reason"], str(Reason.CONFLICT))).slice(0, 1).to_pylist()[0]
        where = f"{row['file']} row {row['row']} ({row['region']}, {row['date']})"
        said = f"with other values, for example {where}. " + (
            _pivot(settings)
            or "One row per region and time is expected: are there several stations in a region or "
            "two versions of the data? Average them or keep one"
        )
    return InputError(
        f"{redact_uri(settings.weather)}: {share} the region and time of another row {said}"
        + (
            f" (max_rejected = {settings.max_rejected:g} allows fewer)"
            if exact >= conflicts and settings.max_rejected < 1
            else ""
        )
    )


def _pivot(settings: Settings) -> str | None:
    from data.survey.long_format import pivot_advice
    from data.survey.survey import survey  # with pandas, which only this message needs

    looked = survey(settings.weather)
    times = [settings.weather_columns.get(name, name) for name in ("region", "date", "year", "month")]
    advice = pivot_advice(looked, [source for source in times if source in looked.kinds])
    return advice and advice[0].upper() + advice[1:]
