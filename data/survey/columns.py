"""Roles of columns by their names: keys, kinds of weather measures, units. Never a look at values."""

from __future__ import annotations

import difflib
import re
import unicodedata
from typing import Literal

Role = Literal["region", "date", "year", "month", "day", "crop", "yield", "unit"]
MeasureKind = Literal["temperature", "rainfall", "humidity", "total", "other"]

# the better name first; English, then what data offices write elsewhere
_ROLES: dict[Role, str] = {
    "region": (
        "region region_id region_code region_name geoid fips fips_code county_fips county "
        "county_name climdiv division district district_name district_code adm2 admin2 adm1 "
        "admin1 nuts nuts_id nuts2 nuts3 province state state_name country country_name iso3 iso "
        "area area_name territory zone location site station station_id station_name place "
        "unit_id grid cell grid_id municipality gemeinde kreis landkreis bundesland land gebiet "
        "departement commune pays provincia municipio departamento estado pais comune regione "
        "regiao regio region_nom oblast rayon область район регион 地区 省 县 地域"
    ),
    "date": (
        "date period year_month yearmonth day time datetime timestamp obs_date observation_date "
        "valid_time datum tag fecha "
        "data jour dt ds дата 日期"
    ),
    "year": (
        "year harvest_year crop_year season_year marketing_year yr season harvest campaign "
        "erntejahr jahr annee ano anno campana jaar rok god год 年 年份"
    ),
    "month": "month mon mo month_number monat mois mes mese maand mesiac месяц 月 月份",
    "day": "day dom doy day_of_year dayofyear day_of_month julian_day jour tag dia giorno",
    "crop": (
        "crop crop_name item commodity crop_type product species plant variety cultivar genotype "
        "gen kultur fruchtart frucht culture cultivo cultura coltura produit producto gewas "
        "культура 作物"
    ),
    "yield": (
        "yield crop_yield yield_value yields yld value observed_yield mean_yield average_yield "
        "yield_per_hectare ertrag rendement rendimiento rendimento produtividade resa opbrengst "
        "урожайность 产量 单产"
    ),
    "unit": (
        "unit units unit_of_measure uom yield_unit einheit unite unidad unidade unita eenheid единица 单位"
    ),
}
_KINDS: dict[MeasureKind, str] = {
    "temperature": (
        "temp temperature temperatur temperatura tavg tmean tmin tmax tmp tas tasmin tasmax t2m "
        "tm tx tn dewpoint heat cold soil_temp mintemp maxtemp avgtemp meantemp температура 气温 温度"
    ),
    "rainfall": (
        "rain rainfall precip precipitation prcp ppt pr pcp tp snow snowfall niederschlag regen "
        "pluie precipitations lluvia precipitacion precipitacao chuva pioggia precipitazione "
        "neerslag fall осадки 降水 降水量"
    ),
    "humidity": (
        "humidity rh hum relative_humidity hurs feuchte luftfeuchtigkeit humidite humedad umidade "
        "umidita влажность 湿度"
    ),
    "total": (
        "cdd hdd gdd degree_days growing_degree_days evapotranspiration evaporation et et0 pet "
        "eto sunshine irrigation"
    ),
}
# indices, which have no unit
_INDICES = "pdsi scpdsi phdi pmdi zndx zindex spi spei vhi vci tci ndvi evi savi lai fapar aridity_index"
# no weather and no yield, whatever their values
_ASIDE = (
    "id index idx row rowid uid uuid key objectid fid code ansi lat latitude lon lng long longitude x "
    "y elevation altitude elev flag quality note notes comment source geometry name area_harvested "
    "harvested_area area acres hectares planted harvested production quantity population count n "
    "counties stations version week quarter doy dom day hour weekday dekad unnamed gen std stderr sd "
    "se cv"
)
_LAST_ASIDE = frozenset(
    {"id", "code", "ansi", "flag", "index", "lat", "lon", "latitude", "longitude", "count", "planted"}
)
# the unit behind a name's last words; None: for every kind of measure
_UNITS: dict[str, tuple[str, frozenset[str] | None]] = {
    **dict.fromkeys(("c", "degc", "deg_c", "celsius", "°c"), ("°C", frozenset({"temperature"}))),
    **dict.fromkeys(("f", "degf", "deg_f", "fahrenheit"), ("°F", frozenset({"temperature", "total"}))),
    **dict.fromkeys(("k", "kelvin"), ("K", frozenset({"temperature"}))),
    **dict.fromkeys(("in", "inch", "inches"), ("in", frozenset({"rainfall", "total"}))),
    **dict.fromkeys(("mm", "millimeter", "millimetres", "mm_per_year", "mm_per_month"), ("mm", None)),
    "cm": ("cm", None),
    **dict.fromkeys(("pct", "percent", "perc", "prozent"), ("%", None)),
    "hpa": ("hPa", None), "kpa": ("kPa", None), "mj_m2": ("MJ/m²", None), "w_m2": ("W/m²", None),
    "wm2": ("W/m²", None), "m_s": ("m/s", None), "ms": ("m/s", None), "mps": ("m/s", None),
    "km_h": ("km/h", None), "kmh": ("km/h", None), "mph": ("mph", None), "hours": ("hours", None),
    "days": ("days", None), "tonnes": ("tonnes", None), "tons": ("tons", None),
    **dict.fromkeys(("t_ha", "tha", "ton_ha", "tons_ha", "tonnes_ha", "t_per_ha", "tonnes_per_hectare",
                     "tons_per_hectare", "mt_ha"), ("t/ha", None)),
    **dict.fromkeys(("kg_ha", "kgha", "kg_per_ha"), ("kg/ha", None)),
    **dict.fromkeys(("hg_ha", "hgha", "hg_per_ha"), ("hg/ha", None)),
    **dict.fromkeys(("dt_ha", "q_ha", "dtha"), ("dt/ha", None)),
    **dict.fromkeys(("bu_acre", "bu_ac", "bu_a", "bushels_acre", "bushels_per_acre", "bu_per_acre", "buac"),
                    ("bu/acre", None)),
    **dict.fromkeys(("lb_acre", "lb_ac", "lbs_acre", "lb_per_acre", "pounds_per_acre"), ("lb/acre", None)),
    **dict.fromkeys(("tons_acre", "tons_per_acre", "t_acre"), ("tons/acre", None)),
}  # fmt: skip
_BRACKETS = re.compile(r"^(.*?)\s*[\(\[]\s*([^)\]]+?)\s*[\)\]]\s*$")
_YIELD_WORDS = frozenset(
    {"yield", "yields", "yld", "ertrag", "rendement", "rendimiento", "rendimento", "resa"}
)


def words(name: str) -> list[str]:
    """A name as lower-case words without accents: `CropYear`, `crop-year` and `Crop Year` read alike."""
    plain = unicodedata.normalize("NFKD", name)
    plain = "".join(letter for letter in plain if not unicodedata.combining(letter))
    plain = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", plain)
    return re.findall(r"[^\W_]+", plain.lower())


def role_score(name: str, role: Role) -> float:
    """How surely a name stands for a role, 0 to 1: the very word, a word in it, or a misspelling."""
    known = _ROLES[role].split()
    whole = "_".join(words(name))
    if whole in known:
        return 1.0 - 0.002 * known.index(whole)
    inside = [at for at, synonym in enumerate(known) if synonym in words(name)]
    if inside:
        return 0.6 - 0.002 * min(inside) - 0.01 * len(words(name))
    near = difflib.get_close_matches(whole, [word for word in known if len(word) > 4], n=1, cutoff=0.85)
    return 0.5 if near else 0.0


def is_aside(name: str) -> bool:
    """Columns such as ids, coordinates and flags, which are neither weather nor yields."""
    if name.startswith("__"):
        return True
    found = words(name)
    whole = "_".join(found)
    aside = _ASIDE.split()
    return whole in aside or (bool(found) and (found[0] in ("n", "unnamed") or found[-1] in _LAST_ASIDE))


def kind_by_name(name: str) -> MeasureKind:
    """Temperature-like, rainfall-like, humidity, another total over time, or something else."""
    found = words(name)
    whole = "_".join(found)
    kinds: tuple[MeasureKind, ...] = ("total", "temperature", "rainfall", "humidity")
    for kind in kinds:
        known = _KINDS[kind].split()
        if whole in known or any(word in known for word in found):
            return kind
    for kind in kinds[1:]:
        for word in found:
            stems = [stem for stem in _KINDS[kind].split() if len(stem) >= 4]
            if any(word.startswith(stem) or word.endswith(stem) for stem in stems):
                return kind
    return "other"


def is_index(name: str) -> bool:
    """A measure that has no unit, such as the Palmer drought index."""
    found = words(name)
    return not {*found, "_".join(found)}.isdisjoint(_INDICES.split())


def unit_by_name(name: str, kind: str | None = None) -> tuple[str | None, str]:
    """The unit that a name ends (or begins) with, and the name without it, in plain words joined by `_`."""
    bracket = _BRACKETS.match(name.strip())
    if bracket and bracket[1]:
        key = "_".join(words(bracket[2]))
        known = _UNITS.get(key)
        return (known[0] if known else bracket[2]), "_".join(words(bracket[1])) or name
    found = words(name)
    for count in (3, 2, 1):
        if len(found) <= count:
            continue
        for unit_words, rest in ((found[-count:], found[:-count]), (found[:count], found[count:])):
            known = _UNITS.get("_".join(unit_words))
            if known and (known[1] is None or kind in known[1]):
                return known[0], "_".join(rest)
    return None, "_".join(found) or name


def crop_by_name(column: str) -> tuple[str, str | None]:
    """Crop and unit that the name of a wide column tells: `corn_yield_bu_acre` is corn in bu/acre."""
    unit, rest = unit_by_name(column)
    left = [word for word in rest.split("_") if word not in _YIELD_WORDS]
    if unit is None and len(left) == len(rest.split("_")):
        return column, None  # nothing to strip: the name as it stands
    return "_".join(left) or column, unit


def says_yield(column: str) -> bool:
    """A word for yield is in the name."""
    return not _YIELD_WORDS.isdisjoint(words(column))
