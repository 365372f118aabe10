"""Trained on lengths to 20, an LSTM fails soon beyond."""

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
    paired,
)

LONGEST = 20
SWEEP = SweepWords(
    "graves_copy",
    f"--task copy --protocol extrapolation --train-range 1:{LONGEST} --lengths 10,20,30,40,60 "
    "--models fixed,luong_general,luong_location --seeds 5 model.hidden_size=128 training.steps=8000",
    "--train-range 1:3 --lengths 2,3,5",
)


def judge(found: Found) -> list[Claim]:
    """Look at token accuracy within and beyond the trained lengths."""
    rows = found.metrics(SWEEP.name)
    trained = rows["train_max_length"].max()
    inside, beyond = trained, min(length for length in rows["length"] if length > trained)
    at = {
        (model, length): interval(own["token_accuracy"])
        for (model, length), own in rows.groupby(["model", "length"])
    }
    furthest = rows["length"].max()
    last = rows[rows["length"] == furthest]

    def said(model: str, length: int) -> str:
        return f"{in_words(at[model, length])} at {length}"

    content = interval(paired(last, "token_accuracy", "luong_general", "fixed"))
    position = interval(paired(last, "token_accuracy", "luong_location", "fixed"))
    return [
        Claim(
            "One vector copies the trained lengths and fails soon beyond them.",
            "an LSTM trained on 1 to 20 fails beyond 20 (figure 4)",
            f"fixed: accuracy {said('fixed', inside)}, {said('fixed', beyond)}, {said('fixed', furthest)}",
            all_of(decide(at["fixed", inside], 0.9), below(at["fixed", furthest], 0.5)),
        ),
        Claim(
            "Attention by content does better there.",
            "a memory read by content and place copies 50 and more (figure 4)",
            f"luong_general: {said('luong_general', beyond)}, {said('luong_general', furthest)}; "
            f"above fixed by {in_words(content)}",
            decide(content),
        ),
        Claim(
            "Attention by position alone does not: its weights for places beyond were never trained.",
            "no number in the paper; asked of it here",
            f"luong_location: {said('luong_location', beyond)}, {said('luong_location', furthest)}; "
            f"above fixed by {in_words(position)}",
            below(at["luong_location", furthest], 0.5),
        ),
    ]


REPRODUCTION = Reproduction(
    name="graves2014",
    paper="Graves, Wayne, Danihelka 2014: Neural Turing machines; section 4.1, figure 4",
    sweeps=(SWEEP,),
    judge=judge,
    differs=(
        "Symbols of 16 in place of vectors of 8 bits; one layer of 128 units in place of three of 256.",
        "Attention over the encoder's states in place of a memory that is written to; by content alone it cannot tell"
        " equal symbols apart by place.",
    ),
    minutes=15,
)
