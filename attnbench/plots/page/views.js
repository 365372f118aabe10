// A view is what one arm shows of one example: rows that look, columns that are looked at, and their maps.

const KINDS = {
  attention: {
    name: "Attention",
    meaning: "Rows of a map are the words that the model wrote itself; the colour is the share of its attention " +
      "that each source word got.",
  },
  gradient: {
    name: "Gradient",
    meaning: "Rows of a map are the words that the model wrote itself; the colour is the share of the gradient of " +
      "its answer that reaches each source word: how much a small change of that word would move the answer.",
  },
  encoder: {
    name: "Source on source",
    meaning: "Rows and columns of a map are the source words; the colour is the share of the row's " +
      "self-attention, inside the encoder, that each column's word got.",
  },
};

const NO_ATTENTION = "There is no attention over source words here.";

/** What the legend says of a kind of map: of attention, also what stands in for it under an arm without. */
function meaningOf(kind) {
  if (kind === null) return `${NO_ATTENTION} Nor are there gradients: no map is shown.`;
  const without = arms.filter((arm) => arm.examples.every((example) => example.attention === null));
  if (kind === "encoder" || !without.length) return KINDS[kind].meaning;
  if (without.length === arms.length) return `${NO_ATTENTION} ${KINDS.gradient.meaning}`;
  const names = without.map((arm) => arm.name).join(", ");
  return kind === "gradient" ? KINDS.gradient.meaning
    : `${KINDS.attention.meaning} Not of ${names}, which has no attention: there it is the gradient.`;
}

const seen = new WeakMap();

/** The view of an example, unpacked once. */
function viewOf(example, kind) {
  if (!seen.has(example)) seen.set(example, {});
  return (seen.get(example)[kind] ??= unpackedView(example, kind));
}

/** What an arm has to show of a kind; what it has not, and what stands in its place, is said by `missing`. */
function unpackedView(example, kind) {
  const shown = kind !== "encoder" && example.attention === null ? "gradient" : kind;
  const reach = shown === "gradient" && example.gradient !== null ? example.withGradient : null;
  const missing = missingWords(example, kind, shown) +
    (reach === null ? "" : ` The first ${reach} words alone have their gradient: those of all would take too long.`);
  const ownRows = shown === "encoder";
  const words = ownRows ? example.source : example.written;
  const chosen = words.map((_, row) => row).filter((row) => ownRows || !example.given[row]);
  if (example[shown] === null || !chosen.length) return { kind: shown, missing, map: null };
  const [rows, columns] = [words.length, example.source.length];
  return {
    kind: shown,
    missing,
    words,
    rows: chosen,
    isWrong: (row) => !ownRows && example.wrong[row],
    gold: (row) => (ownRows ? NO_GOLD : goldOf(example, row)),
    columns: example.source,
    map: meanMap(example[shown], rows, columns),
    heads: headMaps(example[shown], rows, columns),
    headsPerLayer: example[shown].headsPerLayer,
  };
}

function missingWords(example, kind, shown) {
  if (kind === "encoder" && example.encoder === null) return "The encoder of this arm has no self-attention.";
  const nothing = example[shown] === null ? " Nor has it gradients to show." : " Shown instead is each answer's " +
    "gradient by source position.";
  if (kind !== "encoder" && example.attention === null) return "This arm has no attention over source words." + nothing;
  return example[shown] === null ? "There are no gradients of this arm." : "";
}

const NO_GOLD = { sure: [], possible: [] };

function goldOf(example, row) {
  const sure = example.sure?.[row] ?? [];
  const possible = (example.possible?.[row] ?? []).filter((place) => !sure.includes(place));
  return { sure, possible };
}

/** The map that is shown large: the mean, or the layer and head that was clicked. */
function shownMap(view, tile) {
  return view.heads[tile] ?? view.map;
}

/** The weights that colour the source: of the clicked word, or the mean over all the words that were chosen. */
function shownShares(view, map, row) {
  return view.rows.includes(row) ? rowOf(map, row) : meanOfRows(map, view.rows);
}

/** What the colours say, in words. */
function spoken(view, shares, row) {
  const who = view.rows.includes(row) ? `“${view.words[row]}”` : "All words together";
  const strongest = shares.map((share, place) => [share, view.columns[place]]);
  strongest.sort(([one], [other]) => other - one);
  const named = strongest.slice(0, 3).map(([share, word]) => `“${word}” ${readable(share)}`).join(", ");
  const told = `${who} ← ${named}${shares.length > 3 ? " …" : ""}`;
  if (view.kind !== "gradient" || !shares.some((share) => share > 0)) return told;
  return `${told} Half of this gradient lies on the ${placesOfHalf(shares)} strongest of ${shares.length} source ` +
    `words, and half within the last ${reachFromEnd(shares)}.`;
}
