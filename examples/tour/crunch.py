"""Reads a table of daily weather and prints what it says, as a data step of an app would. Standard library only."""

import csv
import json
import statistics
import sys
from collections import defaultdict

MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]


def read(path):
    with open(path, newline="") as file:
        for row in csv.DictReader(file):
            yield {
                "date": row["date"],
                "month": int(row["date"][5:7]),
                "rain": float(row["precipitation"]),
                "warmest": float(row["temp_max"]),
                "coldest": float(row["temp_min"]),
            }


def months_of(days):
    by_month = defaultdict(list)
    for day in days:
        by_month[day["month"]].append(day)
    for month, some in sorted(by_month.items()):
        yield {
            "month": MONTHS[month - 1],
            "warmest": round(statistics.mean(day["warmest"] for day in some), 1),
            "coldest": round(statistics.mean(day["coldest"] for day in some), 1),
            "rainyDays": round(100 * sum(day["rain"] > 0 for day in some) / len(some)),
        }


days = list(read(sys.argv[1]))
hottest = max(days, key=lambda day: day["warmest"])
wettest = max(days, key=lambda day: day["rain"])
json.dump(
    {
        "days": len(days),
        "first": days[0]["date"],
        "last": days[-1]["date"],
        "hottest": {"date": hottest["date"], "celsius": hottest["warmest"]},
        "wettest": {"date": wettest["date"], "millimetres": wettest["rain"]},
        "rainAndWarmth": round(
            statistics.correlation([day["rain"] for day in days], [day["warmest"] for day in days]), 2
        ),
        "months": list(months_of(days)),
    },
    sys.stdout,
)
