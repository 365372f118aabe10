"use strict";
// The charts, the switches of arms, and tables that sort and are saved. Vega draws; here is what joins it to the page.

const values = JSON.parse(document.getElementById("values").textContent);
const hidden = new Set();
const MOST_PRINTED_ROWS = 80;
const drawn = new Map();

const all = (selector, within = document) => [...within.querySelectorAll(selector)];

function shownOf(arms) {
  return arms.filter((arm) => !hidden.has(arm));
}

/** Draw one chart where it stands; `ast` lets Vega interpret expressions, which the page's policy forbids to evaluate. */
async function draw(box) {
  const number = box.dataset.chart;
  if (drawn.has(number)) return;
  const { spec, arms } = values.charts[number];
  drawn.set(number, null);
  const { view } = await vegaEmbed(box, spec, {
    ast: true,
    actions: false,
    renderer: "svg",
    defaultStyle: false,
    logLevel: 1, // errors alone: without an arm that is shown a scale has no extent, of which Vega warns
    tooltip: { disableDefaultStyle: true },
  });
  drawn.set(number, { view, arms });
  for (const choice of all(`select[data-of="${number}"]`)) signal(choice);
  await view.signal("shown", shownOf(arms)).runAsync();
}

function drawVisible() {
  for (const box of all(".chart")) {
    if (box.clientWidth > 0) draw(box).catch((error) => { box.textContent = `This chart cannot be drawn: ${error.message}`; });
  }
}

function showArms() {
  for (const box of all("input[data-arm]")) box.checked = !hidden.has(box.dataset.arm);
  for (const chart of drawn.values()) {
    if (chart) chart.view.signal("shown", shownOf(chart.arms)).runAsync();
  }
}

function signal(choice) {
  const chart = drawn.get(choice.dataset.of);
  if (!chart) return;
  const value = choice.dataset.signal === "measure" ? choice.value : Number(choice.value);
  chart.view.signal(choice.dataset.signal, value).runAsync();
}

function say(text) {
  document.getElementById("announcement").textContent = text;
}

/** Sort a table by a column: numbers by size, words by their letters, what is missing last either way. */
function sort(heading) {
  const order = heading.ariaSort === "ascending" ? "descending" : "ascending";
  const sign = order === "ascending" ? 1 : -1;
  const column = heading.cellIndex;
  const body = heading.closest("table").tBodies[0];
  const isNumber = heading.classList.contains("number");
  const key = (row) => {
    const cell = row.cells[column];
    return isNumber ? Number(cell.dataset.value ?? NaN) : cell.textContent;
  };
  const compare = (one, other) => {
    const [a, b] = [key(one), key(other)];
    if (!isNumber) return sign * a.localeCompare(b, "en", { numeric: true });
    return Number.isNaN(a) - Number.isNaN(b) || sign * (a - b) || 0;
  };
  body.append(...[...body.rows].sort(compare));
  for (const other of heading.parentNode.cells) other.ariaSort = other === heading ? order : "none";
  say(`Sorted by ${heading.textContent}, ${order}`);
}

function save(button) {
  const address = URL.createObjectURL(new Blob([values.csv[button.dataset.key]], { type: "text/csv" }));
  const link = Object.assign(document.createElement("a"), { href: address, download: button.dataset.csv });
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
  say(`Saved ${button.dataset.csv}`);
}

async function copy(button) {
  const text = button.parentNode.querySelector("code");
  getSelection().selectAllChildren(text);
  await navigator.clipboard.writeText(text.textContent);
  button.textContent = "Copied";
}

document.addEventListener("click", ({ target }) => {
  const button = target.closest("button");
  if (!button) return;
  if (button.closest("thead")) sort(button.closest("th"));
  else if (button.dataset.csv) save(button);
  else if (button.classList.contains("copy")) copy(button).catch(() => say("Selected: press Ctrl+C"));
  else if (button.dataset.all) {
    for (const box of all("input[data-arm]", button.closest("fieldset"))) {
      if (button.dataset.all === "on") hidden.delete(box.dataset.arm);
      else hidden.add(box.dataset.arm);
    }
    showArms();
  }
});
document.addEventListener("change", ({ target }) => {
  if (target.dataset.signal) signal(target);
  if (!target.dataset.arm) return;
  if (target.checked) hidden.delete(target.dataset.arm);
  else hidden.add(target.dataset.arm);
  showArms();
});
document.addEventListener("toggle", drawVisible, true);
// On paper nothing unfolds: what is short is printed whole.
let opened = [];
window.addEventListener("beforeprint", () => {
  opened = all("details:not([open])").filter((each) => all("tr", each).length <= MOST_PRINTED_ROWS);
  for (const each of opened) each.open = true;
});
window.addEventListener("afterprint", () => {
  for (const each of opened) each.open = false;
});
drawVisible();
