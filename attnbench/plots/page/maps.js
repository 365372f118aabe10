// Maps as pictures: one large with its words, and small multiples of every layer and head.

const CELL = { least: 5, usual: 30, most: 110 };
const TILE = { least: 64, most: 128 };
const LETTERS = { least: 12, most: 24 }; // pixels; they grow with the cells
const MOST_OF_HEIGHT = 0.8;

/** Where things stand on a large map, in CSS pixels: as large as the page is wide, and no higher than the window. */
function layoutOf(view, width) {
  const cellBeside = (left) => {
    const fitting = Math.floor((width - left - 4) / view.columns.length);
    const within = Math.floor((MOST_OF_HEIGHT * innerHeight) / view.rows.length);
    return Math.max(CELL.least, Math.min(CELL.most, fitting, Math.max(CELL.usual, within)));
  };
  const written = view.rows.map((row) => view.words[row]);
  const leftOf = (size) => Math.ceil(widestOf(written, size)) + 16 + size;
  const letters = Math.max(LETTERS.least, Math.min(LETTERS.most, Math.floor(cellBeside(leftOf(LETTERS.most)) * 0.45)));
  const left = leftOf(letters);
  const cell = cellBeside(left);
  const upright = widestOf(view.columns, letters) < cell - 2;
  const top = upright ? letters + 8 : Math.ceil(widestOf(view.columns, letters)) + 10;
  const [right, bottom] = [left + cell * view.columns.length, top + cell * view.rows.length];
  return { left, top, cell, letters, upright, width: right + 4, height: bottom + 4 };
}

function fontOf(letters) {
  return `${letters}px system-ui, sans-serif`;
}

/** How wide the widest of some words is, where long ones are cut. */
function widestOf(words, letters) {
  const pen = document.createElement("canvas").getContext("2d");
  pen.font = fontOf(letters);
  return Math.min(widestLabel(letters), Math.max(...words.map((word) => pen.measureText(word).width)));
}

function widestLabel(letters) {
  return 9 * letters;
}

/** The cells of a map as a picture of one pixel each: drawing them one by one takes seconds for many heads. */
function pictureOf(view, map) {
  const picture = element("canvas", { width: map.columns, height: view.rows.length });
  const pen = picture.getContext("2d");
  const pixels = pen.createImageData(map.columns, view.rows.length);
  view.rows.forEach((row, y) => {
    for (let column = 0; column < map.columns; column++) {
      pixels.data.set([...colourOf(map.at(row, column)), 255], 4 * (y * map.columns + column));
    }
  });
  pen.putImageData(pixels, 0, 0);
  return picture;
}

function paintPicture(pen, picture, left, top, width, height) {
  pen.imageSmoothingEnabled = width < picture.width;
  pen.drawImage(picture, left, top, width, height);
}

function paintCells(pen, view, map, layout) {
  const { left, top, cell } = layout;
  paintPicture(pen, pictureOf(view, map), left, top, cell * map.columns, cell * view.rows.length);
  pen.strokeStyle = themeColour("line");
  pen.strokeRect(left - 0.5, top - 0.5, cell * map.columns + 1, cell * view.rows.length + 1);
}

/** Outlines, with a rim of paper within where there is room, so that they part from any colour. */
function paintGold(pen, view, layout) {
  const isRoomy = layout.cell > 12;
  if (isRoomy) outlineGold(pen, view, layout, themeColour("paper"), 2.5, 1);
  outlineGold(pen, view, layout, themeColour("gold"), isRoomy ? 1 : 0.5, layout.cell > 8 ? 2 : 1);
}

function outlineGold(pen, view, layout, colour, inset, thickness) {
  const { left, top, cell } = layout;
  pen.strokeStyle = colour;
  pen.lineWidth = thickness;
  view.rows.forEach((row, y) => {
    for (const [kind, places] of Object.entries(view.gold(row))) {
      pen.setLineDash(kind === "sure" ? [] : [3, 2]);
      for (const place of places) {
        pen.strokeRect(left + place * cell + inset, top + y * cell + inset, cell - 2 * inset, cell - 2 * inset);
      }
    }
  });
  pen.setLineDash([]);
}

function paintLabels(pen, view, layout, chosen) {
  const { left, top, cell, letters } = layout;
  const every = Math.ceil((letters + 1) / cell);
  const cut = (word) => shortened(pen, word, widestLabel(letters));
  pen.font = fontOf(letters);
  pen.textBaseline = "middle";
  pen.textAlign = "right";
  view.rows.forEach((row, y) => {
    if (y % every && row !== chosen) return;
    pen.fillStyle = themeColour(view.isWrong(row) ? "wrong" : "ink");
    const mark = view.isWrong(row) ? "✗ " : "";
    pen.fillText(mark + cut(view.words[row]), left - 6, top + (y + 0.5) * cell);
  });
  pen.fillStyle = themeColour("ink");
  pen.textAlign = layout.upright ? "center" : "left";
  view.columns.forEach((word, column) => {
    if (column % every) return;
    pen.save();
    pen.translate(left + (column + 0.5) * cell, top - (layout.upright ? letters / 2 + 4 : 6));
    if (!layout.upright) pen.rotate(-Math.PI / 2);
    pen.fillText(cut(word), 0, 0);
    pen.restore();
  });
}

function shortened(pen, word, width) {
  let letters = [...word];
  while (letters.length > 1 && pen.measureText(letters.join("")).width > width) letters = [...letters.slice(0, -2), "…"];
  return letters.join("");
}

function paintChosenRow(pen, view, layout, chosen) {
  const y = view.rows.indexOf(chosen);
  if (y < 0) return;
  pen.strokeStyle = themeColour("ink");
  pen.lineWidth = 1.5;
  const { left, top, cell } = layout;
  pen.strokeRect(left - 1, top + y * cell - 0.5, cell * view.columns.length + 2, cell + 1);
}

/** The large map, which mouse, touch and arrow keys read; a click or the enter key chooses a row. */
function largeMap(view, map, chosen, width, onRow) {
  const layout = layoutOf(view, width);
  const canvas = element("canvas", { className: "map", tabindex: 0, role: "img", "aria-label": mapLabel(view, map) });
  const pen = sharpPen(canvas, layout.width, layout.height);
  paintCells(pen, view, map, layout);
  paintGold(pen, view, layout);
  paintLabels(pen, view, layout, chosen);
  paintChosenRow(pen, view, layout, chosen);
  readWithMouse(canvas, view, map, layout, onRow);
  readWithKeys(canvas, view, map, layout, onRow);
  return canvas;
}

function mapLabel(view, map) {
  const of = map.layer ? `layer ${map.layer}, head ${map.head}` : "mean";
  return `Map of ${view.rows.length} by ${view.columns.length} words, ${of}. Arrow keys read it, enter chooses a row.`;
}

function cellWords(view, map, y, column) {
  const row = view.rows[y];
  return `${view.words[row]} ← ${view.columns[column]}: ${readable(map.at(row, column))}`;
}

/** The cell under the mouse as [y, column]; null beside the cells. */
function cellAt(event, view, layout) {
  const box = event.currentTarget.getBoundingClientRect();
  const column = Math.floor((event.clientX - box.left - layout.left) / layout.cell);
  const y = Math.floor((event.clientY - box.top - layout.top) / (layout.cellHeight ?? layout.cell));
  const isInside = column >= 0 && column < view.columns.length && y >= 0 && y < view.rows.length;
  return isInside ? [y, column] : null;
}

function readWithMouse(canvas, view, map, layout, onRow) {
  canvas.addEventListener("mousemove", (event) => {
    const cell = cellAt(event, view, layout);
    if (cell === null) hideTooltip();
    else showTooltip(cellWords(view, map, ...cell), event.clientX, event.clientY);
  });
  canvas.addEventListener("mouseleave", hideTooltip);
  if (!onRow) return;
  canvas.addEventListener("click", (event) => {
    const cell = cellAt(event, view, layout);
    if (cell !== null) onRow(view.rows[cell[0]]);
  });
}

function readWithKeys(canvas, view, map, layout, onRow) {
  let [y, column] = [0, 0];
  const moves = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
  canvas.addEventListener("keydown", (event) => {
    if (event.key === "Enter") onRow(view.rows[y]);
    if (!(event.key in moves)) return;
    event.preventDefault();
    const [down, right] = moves[event.key];
    y = Math.max(0, Math.min(view.rows.length - 1, y + down));
    column = Math.max(0, Math.min(view.columns.length - 1, column + right));
    const box = canvas.getBoundingClientRect();
    const words = cellWords(view, map, y, column);
    showTooltip(words, box.left + layout.left + column * layout.cell, box.top + layout.top + y * layout.cell);
    announce(words);
  });
  canvas.addEventListener("blur", hideTooltip);
}

/** Small multiples: the mean, then a line for each layer with its heads; a click shows one large. */
function smallMultiples(view, tile, width, onTile) {
  const columns = view.headsPerLayer;
  const size = Math.max(TILE.least, Math.min(TILE.most, Math.floor(width / columns) - 12));
  const grid = element("div", { className: "heads", role: "group", "aria-label": "Layers and heads" });
  grid.style.gridTemplateColumns = `repeat(${columns}, max-content)`;
  const mean = tileButton(view, view.map, "mean of all", tile === null, size, () => onTile(null));
  const heads = view.heads.map((map, number) =>
    tileButton(view, map, `layer ${map.layer} · head ${map.head}`, tile === number, size, () => onTile(number)));
  grid.append(...heads);
  return element("div", { className: "multiples" }, mean, grid);
}

function tileButton(view, map, name, isShown, size, onClick) {
  const canvas = element("canvas", { "aria-hidden": true });
  const cell = size / view.columns.length;
  const cellHeight = Math.max(Math.min(cell, size / view.rows.length), 8 / view.rows.length);
  const layout = { left: 0, top: 0, cell, cellHeight };
  const height = Math.ceil(cellHeight * view.rows.length);
  paintPicture(sharpPen(canvas, size, height), pictureOf(view, map), 0, 0, size, height);
  readWithMouse(canvas, view, map, layout, null);
  const button = element("button", { className: "tile", type: "button", "aria-pressed": isShown }, canvas, element("span", { text: name }));
  button.addEventListener("click", onClick);
  return button;
}
