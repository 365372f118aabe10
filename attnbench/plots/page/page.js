// The page as a whole: what is chosen, and drawing it anew when that changes.

const { arms, kinds, kind: firstKind, facts, worst } = JSON.parse(document.getElementById("values").textContent);
let state = { example: 0, kind: firstKind, row: null, reading: 0, tiles: arms.map(() => ({})) };

function announce(text) {
  document.getElementById("announcement").textContent = text;
}

function choose(change) {
  const focused = focusPath();
  state = { ...state, ...change };
  announce(draw());
  restoreFocus(focused);
}

function chooseExample(number) {
  choose({ example: number, row: firstAnswer(number), reading: 0 });
}

/** The first word that the model wrote itself: what is shown before anything is clicked. */
function firstAnswer(number) {
  const row = arms[0].examples[number].given.indexOf(false);
  return row < 0 ? null : row;
}

function draw() {
  hideTooltip();
  document.getElementById("meaning").textContent = meaningOf(state.kind);
  document.getElementById("example").value = String(state.example);
  document.getElementById("previous").disabled = state.example === 0;
  document.getElementById("next").disabled = state.example === arms[0].examples.length - 1;
  for (const button of document.querySelectorAll("#kinds button")) {
    button.setAttribute("aria-pressed", String(button.dataset.kind === state.kind));
  }
  drawScale();
  const places = document.querySelectorAll("#arms > section");
  return arms.map((arm, number) => drawArm(places[number], arm, number, state, choose)).join(" ");
}

// Drawing puts new elements in the place of old ones: the keyboard shall stand where it stood.
const FOCUSABLE = "button, canvas[tabindex], .source [tabindex]";

function focusPath() {
  const places = [...document.querySelectorAll("#arms > section")];
  const number = places.findIndex((place) => place.contains(document.activeElement));
  if (number < 0) return null;
  return [number, [...places[number].querySelectorAll(FOCUSABLE)].indexOf(document.activeElement)];
}

function restoreFocus(path) {
  if (path === null) return;
  const place = document.querySelectorAll("#arms > section")[path[0]];
  place.querySelectorAll(FOCUSABLE)[path[1]]?.focus({ preventScroll: true });
  hideTooltip();
}

function exampleName(number) {
  const example = arms[0].examples[number];
  const name = example.index === null ? "own words" : `test example ${example.index}`;
  const wrong = arms.map((arm) => wrongWords(arm.examples[number])).join(" and ");
  return `${number + 1} of ${arms[0].examples.length}: ${name}${example.expected.length ? `, ${wrong} wrong` : ""}`;
}

function setUpExamples() {
  const list = document.getElementById("example");
  list.append(...arms[0].examples.map((_, number) => element("option", { value: number, text: exampleName(number) })));
  list.addEventListener("change", () => chooseExample(Number(list.value)));
  document.getElementById("previous").addEventListener("click", () => chooseExample(state.example - 1));
  document.getElementById("next").addEventListener("click", () => chooseExample(state.example + 1));
}

/** The kinds that there are, and attention always: switched off, and saying why, where no arm has it. */
function setUpKinds() {
  for (const kind of Object.keys(KINDS).filter((kind) => kind === "attention" || kinds[kind])) {
    const button = element("button", { type: "button", text: KINDS[kind].name, "data-kind": kind });
    button.disabled = !kinds[kind];
    if (button.disabled) button.title = NO_ATTENTION;
    button.addEventListener("click", () => choose({ kind }));
    document.getElementById("kinds").append(button);
  }
}

/** What is known of each run, and the examples that it got most wrong. */
function setUpRuns() {
  document.getElementById("facts").append(...facts.map((text) => element("li", { text })));
  if (!worst.length) return;
  const lines = worst.map(([number, text]) => {
    const button = element("button", { type: "button", text });
    button.addEventListener("click", () => {
      chooseExample(number);
      scrollTo({ top: 0 });
    });
    return element("li", {}, button);
  });
  const title = element("h2", { text: "The worst answers in the test: a click shows one" });
  document.getElementById("worst").append(title, element("ol", {}, ...lines));
}

/** Keep the keys of the legend that something on the page needs. */
function setUpLegend() {
  const all = arms.flatMap((arm) => arm.examples);
  const keys = {
    sure: all.some((example) => example.sure !== null),
    possible: all.some((example) => example.possible !== null),
    wrong: all.some((example) => wrongWords(example) > 0),
    missing: all.some((example) => example.missing.some(({ wrong }) => wrong)),
    cut: all.some((example) => example.missing.some(({ wrong }) => !wrong)),
    filling: all.some((example) => example.filling.includes(true)),
    given: all.some((example) => example.given.includes(true)),
  };
  for (const [key, isNeeded] of Object.entries(keys)) document.getElementById(`${key}-key`).hidden = !isNeeded;
}

function setUp() {
  setUpExamples();
  setUpRuns();
  setUpKinds();
  setUpLegend();
  const stretched = document.getElementById("stretched");
  colours.stretched = stretched.checked;
  stretched.addEventListener("change", () => {
    colours.stretched = stretched.checked;
    draw();
  });
  document.getElementById("arms").append(...arms.map((arm) => element("section", { "aria-label": arm.name })));
  state.row = firstAnswer(0);
  draw();
  darkScreen.addEventListener("change", draw);
  let width = innerWidth;
  addEventListener("resize", () => {
    if (innerWidth !== width) draw();
    width = innerWidth;
  });
}

setUp();
