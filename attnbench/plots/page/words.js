// Words on the page. A person's words are only ever set as text, never as HTML.

function element(tag, options = {}, ...children) {
  const { className, text, ...attributes } = options;
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

function line(label, className, ...children) {
  return [element("dt", { text: label }), element("dd", { className }, ...children)];
}

/** What was asked, what was expected, and the written words, of which those that can be clicked are buttons. */
function answerLines(example, view, row, onRow) {
  const given = example.written.filter((_, place) => example.given[place]);
  const asked = given.length ? line("Asked", "words", element("span", { className: "given", text: given.join(" ") })) : [];
  const expected = example.expected.length
    ? line("Expected", "words", ...example.expected.map((word, place) => expectedWord(example, word, place)))
    : [];
  const clickable = view.map !== null && view.kind !== "encoder";
  const written = example.written.flatMap((word, place) =>
    [...missingAt(example, place), writtenWord(example, word, place, clickable, row, onRow)]);
  const lines = line("Written", "words", ...written, ...missingAt(example, example.written.length));
  const slips = example.slips ? line("Aligned", "slips", example.slips) : [];
  return element("dl", { className: "answer" }, ...asked, ...expected, ...lines, ...slips);
}

/** What was expected ahead of the written word at this place and is not there: left out, or without room. */
function missingAt(example, place) {
  return example.missing.filter(({ before }) => before === place).map(({ word, wrong }) => wrong
    ? element("span", { className: "word wrong", text: "–", title: `nothing written, expected ${word}` })
    : element("span", { className: "word", text: "…", title: `no room was left for ${word}` }));
}

function wrongWords(example) {
  return [...example.wrong, ...example.missing.map(({ wrong }) => wrong)].filter(Boolean).length;
}

function expectedWord(example, word, place) {
  return element("span", { className: example.given[place] ? "word given" : "word", text: word });
}

function writtenWord(example, word, place, clickable, row, onRow) {
  if (example.given[place]) return element("span", { className: "word given", text: word });
  if (example.filling[place]) return fillingWord(word, place, clickable, row, onRow);
  const isWrong = example.wrong[place];
  const className = isWrong ? "word wrong" : "word";
  const told = isWrong ? `${word}, wrong, expected ${example.instead[place]}` : word;
  if (!clickable) return element("span", { className, text: word });
  return rowButton(word, className, told, place, row, onRow);
}

/** A word behind the end of what was to be said, as heatmaps write it. */
function fillingWord(word, place, clickable, row, onRow) {
  const [className, text] = ["word filling", `${word} (…)`];
  const told = `${word}, written only since the length was fixed`;
  if (!clickable) return element("span", { className, text, title: told });
  return rowButton(text, className, told, place, row, onRow);
}

function rowButton(word, className, told, place, row, onRow) {
  const options = { className, text: word, type: "button", "aria-pressed": place === row, "aria-label": told };
  const button = element("button", { ...options, "data-row": place });
  button.addEventListener("click", () => onRow(place === row ? null : place));
  return button;
}

/** The source words as buttons, for maps of source words over source words. */
function readingWords(view, row, onRow) {
  const buttons = view.words.map((word, place) => rowButton(word, "word", word, place, row, onRow));
  return element("div", { className: "words" }, ...buttons);
}

/** The source as words whose background is their share; one stop of the tab key, then arrows. */
function sourceWords(view, shares, row) {
  const gold = view.rows.includes(row) ? view.gold(row) : NO_GOLD;
  const who = view.rows.includes(row) ? view.words[row] : "all words";
  const words = view.columns.map((word, place) => sourceWord(word, shares[place], place, gold, who));
  const list = element("div", { className: "words source", role: "list", "aria-label": "Source" }, ...words);
  list.addEventListener("keydown", (event) => moveFocus(event, words));
  return list;
}

function sourceWord(word, share, place, gold, who) {
  const colour = colourOf(share);
  const isSure = gold.sure.includes(place);
  const mark = isSure ? " sure" : gold.possible.includes(place) ? " possible" : "";
  const told = `${word} ${readable(share)}${isSure ? ", where the answer stands" : ""}`;
  const options = { className: `word${mark}`, text: word, role: "listitem", "aria-label": told };
  const made = element("span", { ...options, tabindex: place === 0 ? 0 : -1, "data-place": place });
  made.style.backgroundColor = css(colour);
  made.style.color = inkOn(colour);
  explain(made, () => `${who} ← ${word}: ${readable(share)}`);
  return made;
}

function moveFocus(event, words) {
  const here = words.indexOf(document.activeElement);
  const moves = { ArrowRight: here + 1, ArrowLeft: here - 1, Home: 0, End: words.length - 1 };
  const next = words[moves[event.key]];
  if (here < 0 || next === undefined) return;
  event.preventDefault();
  words[here].tabIndex = -1;
  next.tabIndex = 0;
  next.focus();
}
