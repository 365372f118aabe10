"""Whether permuted weights change the answer: Jain & Wallace 2019, and Wiegreffe & Pinter 2019 on when they have to."""

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
)

WORDS = (
    "--task story_qa --models luong_general --lengths 4 --seeds 5 model.hidden_size=64 training.steps=2000"
)
TINY = "--lengths 2 training.test_examples=8"
LEARNT = 0.9  # accuracy below which the weights of a model say nothing
NEEDED = SweepWords("jain_after", WORDS, TINY)
NOT_NEEDED = SweepWords("jain_before", f"{WORDS} task.question=before", TINY)


def judge(found: Found) -> list[Claim]:
    """Compare the median total variation of the answers where weights are permuted, and accuracy."""
    variation, accuracy = {}, {}
    for sweep in (NEEDED, NOT_NEEDED):
        causes = found.causes(sweep.name)
        permuted = causes[causes["change"].str.startswith("permuted")]
        variation[sweep.name] = interval(permuted.groupby("seed")["median_variation"].mean())
        accuracy[sweep.name] = interval(found.metrics(sweep.name)["token_accuracy"])
    needed, not_needed = variation[NEEDED.name], variation[NOT_NEEDED.name]
    return [
        Claim(
            "Where the encoder alone suffices, permuted weights hardly change the answer.",
            "median total variation near 0 on many classification sets (figure 6, Jain & Wallace)",
            f"story_qa, question ahead of the story: {in_words(not_needed)}, at an accuracy of "
            f"{in_words(accuracy[NOT_NEEDED.name])} (asked for: less than 0.10)",
            all_of(decide(accuracy[NOT_NEEDED.name], LEARNT), below(not_needed, 0.1)),
        ),
        Claim(
            "Where attention is needed, they do.",
            "attention that is needed is not permuted at will (Wiegreffe & Pinter 2019, sections 3 and 4)",
            f"story_qa, question behind the story: {in_words(needed)}, at an accuracy of "
            f"{in_words(accuracy[NEEDED.name])} (asked for: more than 0.50)",
            all_of(decide(accuracy[NEEDED.name], LEARNT), decide(needed, 0.5)),
        ),
    ]


REPRODUCTION = Reproduction(
    name="jain2019",
    paper="Jain, Wallace 2019: Attention is not explanation; section 4.2.1. "
    "Wiegreffe, Pinter 2019: Attention is not not explanation",
    sweeps=(NEEDED, NOT_NEEDED),
    judge=judge,
    differs=(
        "Generated stories in place of reviews and medical notes.",
        "A decoder that writes the answer in place of a classifier.",
        "25 permutations an answer in place of 100.",
    ),
    minutes=15,
)
