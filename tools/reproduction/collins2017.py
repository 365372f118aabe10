"""What a recurrent state is seen to hold grows nearly in line with its units, far below the bits of its numbers."""

import numpy as np

from tools.reproduction.claims import (
    Claim,
    Found,
    Reproduction,
    SweepWords,
    all_of,
    below,
    decide,
    in_words,
    interval,
    slope,
)

SIZES = "8,16,32,64"
BITS_PER_NUMBER = 32
LEAST, MOST = 0.8, 1.2  # of an exponent near 1
FULL = 0.8  # share of the bits of a source from which on the source, not the state, is the limit
SWEEP = SweepWords(
    "collins_copy",
    f"--task copy --models fixed --lengths 16,32,64 --seeds 3 model.hidden_size={SIZES} training.steps=8000",
    "--lengths 2,4 model.hidden_size=4,8",
)


def judge(found: Found) -> list[Claim]:
    """Take the most bits over the lengths for each size and seed, and their slope in log2 of the size."""
    rows = found.metrics(SWEEP.name)
    means = rows.groupby(["hidden_size", "length"])["bits_recovered"].mean()
    best = {size: means[size].idxmax() for size in means.index.unique("hidden_size")}
    kept = rows[rows["length"] == rows["hidden_size"].map(best)]
    by_seed = kept.pivot_table(index="seed", columns="hidden_size", values="bits_recovered")
    sizes = [int(size) for size in by_seed.columns]
    exponent = interval([slope(sizes, list(own)) for own in by_seed.to_numpy() if min(own) > 0])
    per_unit = interval(list((by_seed.to_numpy() / np.array(sizes)).mean(axis=1)))
    shares = (kept["bits_recovered"] / kept["bits_available"]).groupby(kept["hidden_size"]).mean()
    is_free = shares.max() < FULL and by_seed.to_numpy().min() > 0
    runs = kept.drop_duplicates("run_id")
    ended = f"{(runs['stop_reason'] == 'budget').sum()} of these {len(runs)} runs ended by their budget"
    bits = ", ".join(
        f"{by_seed[size].mean():.0f} of {size} units ({shares[size]:.0%} of what {best[size]} tokens hold)"
        for size in by_seed.columns
    )
    return [
        Claim(
            "Bits held grow nearly in line with the units: an exponent near 1.",
            "about one real number of the input for each unit (section 2.2)",
            f"{bits}; {ended}; exponent {in_words(exponent)} (asked for, by us: {LEAST} to {MOST}; "
            f"nothing is shown where a size has {FULL:.0%} of what there is)",
            all_of(decide(exponent, LEAST), below(exponent, MOST)) if is_free else "not shown",
        ),
        Claim(
            "A test of ours: what training put there is far less than the bits of the numbers.",
            "no number of bits a unit",
            f"{in_words(per_unit, 1)} bits a unit, which has two numbers of {BITS_PER_NUMBER} bits "
            f"(asked for, by us: less than {BITS_PER_NUMBER / 2:.0f})",
            below(per_unit, BITS_PER_NUMBER / 2) if is_free else "not shown",
        ),
    ]


REPRODUCTION = Reproduction(
    name="collins2017",
    paper="Collins, Sohl-Dickstein, Sussillo 2017: Capacity and trainability in recurrent neural networks; "
    "sections 2.1 and 2.2",
    sweeps=(SWEEP,),
    judge=judge,
    differs=(
        "Bits recovered by a decoder in place of fitted labels and a probe.",
        "At most 8,000 steps at one rate in place of tuned rates: what is found is the least that a state can hold,"
        " and training may limit it as much as memory does.",
    ),
)
