"""Writes observations as JSON Lines: REGIONS regions over 30 days, rising in time unless told
otherwise. One in a thousand is down, one in ten thousand is void, and now and then a region is
silent for a while.

    generate.py COUNT OUT [--by-region]
"""

import random
import sys

REGIONS = ["eu", "us", "ap", "sa", "af"]
START = 1_780_264_800_000  # 2026-06-01T00:00:00+02:00
SPAN = 30 * 86_400_000


def lines(count, regions):
    """The observations of some regions, each `count / 5`."""
    draw = random.Random(7)
    interval = SPAN * len(REGIONS) // count
    phase = interval // len(REGIONS)
    down_until = {region: 0 for region in regions}
    for slot in range(count // len(REGIONS)):
        for rank, region in enumerate(regions):
            at = START + slot * interval + rank * phase
            chance = draw.random()
            if chance < 0.00002:
                down_until[region] = at + 300_000
            outcome = "up"
            if at < down_until[region] or chance > 0.999:
                outcome = "down"
            elif chance > 0.9989:
                outcome = "void"
            yield (
                f'{{"id":"{region}/1/{slot}","region":"{region}","t":{at},'
                f'"outcome":"{outcome}","interval_ms":{interval}}}\n'
            )


def main():
    count, out = int(sys.argv[1]), sys.argv[2]
    groups = [[region] for region in REGIONS] if "--by-region" in sys.argv else [REGIONS]
    with open(out, "w", buffering=1 << 20) as file:
        for regions in groups:
            file.writelines(lines(count, regions))


main()
