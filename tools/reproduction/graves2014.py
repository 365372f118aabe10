"""Trained on lengths to 20, an LSTM fails soon beyond."""

from tools.reproduction.claims import (
    Claim,
    Found,
    Reproduction,
    SweepWords,
    all_of,
    below,
    decide,
    given,
    in_words,
    interval,
    paired,
    share,
)

LONGEST = 20
GOOD, LITTLE = 0.9, 0.1  # accuracies, and a difference of them
SWEEP = SweepWords(
    "graves_copy",
    f"--task copy --protocol extrapolation --train-range 1:{LONGEST} --lengths 10,20,30,40,60 "
    "--models fixed,luong_general,luong_location --seeds 5 model.hidden_size=128 training.steps=8000",
    "--train-range 1:3 --lengths 2,3,5",
)


def judge(found: Found) -> list[Claim]:
    """Look at token accuracy at the longest trained length and beyond; who has not learnt that one shows nothing."""
    rows = found.metrics(SWEEP.name)
    trained = int(rows["train_max_length"].max())
    beyond, furthest = min(each for each in rows["length"] if each > trained), int(rows["length"].max())
    at = {key: share(own["token_accuracy"]) for key, own in rows.groupby(["model", "length"])}
    learnt = {model: decide(at[model, trained], GOOD) for model in rows["model"].unique()}
    content = interval(paired(rows[rows["length"] == furthest], "token_accuracy", "luong_general", "fixed"))
    known = trained_places(trained, furthest, float(rows["chance_accuracy"].mean()))

    def said(model: str) -> str:
        accuracies = (
            f"{in_words(at[model, length], counts=False)} at {length}"
            for length in (trained, beyond, furthest)
        )
        return f"{model}: accuracy {', '.join(accuracies)}, n = {at[model, trained].count}"

    return [
        Claim(
            "One vector copies the trained lengths and fails soon beyond them.",
            "an LSTM trained on 1 to 20 fails beyond 20 (figure 5)",
            f"{said('fixed')} (asked for, by us: {GOOD} at {trained}, less at {beyond})",
            given(learnt["fixed"], below(at["fixed", beyond], GOOD)),
        ),
        Claim(
            "Attention by content does better there.",
            "a memory read by content and place copies 120 with few errors (figure 4)",
            f"{said('luong_general')}; above fixed by {in_words(content)} at {furthest}",
            given(all_of(learnt["fixed"], learnt["luong_general"]), decide(content)),
        ),
        Claim(
            "And it copies lengths far beyond, nearly without errors, without the place that the memory has too.",
            "a memory read by content and place copies 120 with few errors (figure 4)",
            f"{said('luong_general')} (asked for, by us: {GOOD})",
            given(learnt["luong_general"], decide(at["luong_general", furthest], GOOD)),
        ),
        Claim(
            "A control of ours: attention by position alone knows nothing of places beyond.",
            "no claim of the paper; its weights for places beyond were never trained",
            f"{said('luong_location')}; who copies {trained} places and guesses the rest has {known:.2f} at {furthest} "
            f"(asked for: less than {LITTLE} above that)",
            given(learnt["luong_location"], below(at["luong_location", furthest], known + LITTLE)),
        ),
    ]


def trained_places(trained: int, length: int, chance: float) -> float:
    """Return the accuracy of one who copies the places that training had, and guesses the others."""
    return (trained + (length - trained) * chance) / length


REPRODUCTION = Reproduction(
    name="graves2014",
    paper="Graves, Wayne, Danihelka 2014: Neural Turing machines; section 4.1, figures 4 and 5",
    sweeps=(SWEEP,),
    judge=judge,
    differs=(
        "Symbols of 16 in place of vectors of 8 bits; one layer of 128 units in place of three of 256.",
        "Tested at 10, 20, 30, 40 and 60; the paper shows 10, 20, 30, 50 and 120.",
        "Attention over the encoder's states in place of a memory that is written to.",
    ),
)
