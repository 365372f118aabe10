// One arm's part of the page.

/** Draw what an arm answered and where it looked; `state` says what is chosen, `choose` changes it. */
function drawArm(place, arm, number, state, choose) {
  const example = arm.examples[state.example];
  const view = viewOf(example, state.kind);
  const rows = view.kind === "encoder" ? "reading" : "row";
  const row = state[rows];
  const onRow = (chosen) => choose({ [rows]: chosen });
  const note = view.missing ? [element("p", { className: "note", text: view.missing })] : [];
  place.replaceChildren(
    element("div", {}, element("h2", { text: arm.name }), ...note),
    element("div", {}, answerLines(example, view, row, onRow)),
  );
  if (view.map === null) {
    place.append(element("div", {}, element("p", { text: example.source.join(" ") })), element("div"));
    return "";
  }
  const tile = state.tiles[number][view.kind] ?? null;
  const onTile = (chosen) => choose({ tiles: changedTile(state.tiles, number, view.kind, chosen) });
  return drawMaps(place, view, row, tile, onRow, onTile);
}

function changedTile(tiles, number, kind, chosen) {
  return tiles.map((ofArm, place) => (place === number ? { ...ofArm, [kind]: chosen } : ofArm));
}

/** Two blocks, so that the maps of two arms begin at one height: the coloured source, and the maps. */
function drawMaps(place, view, row, tile, onRow, onTile) {
  const map = shownMap(view, tile);
  const shares = shownShares(view, map, row);
  const width = place.clientWidth;
  const told = spoken(view, shares, row);
  const shown = view.kind === "gradient" ? "Gradient by source word" : "Source words looked at";
  const source = element("div", {},
    ...(view.kind === "encoder" ? readingBlock(view, row, onRow) : []),
    element("h3", { text: `${shown}${headWords(view, map)}` }),
    sourceWords(view, shares, row),
    element("p", { className: "told", text: told }),
  );
  const large = element("div", { className: "scroll" }, largeMap(view, map, row, width, onRow));
  const maps = element("div", { className: "maps" }, large, ...headsBlock(view, tile, width, onTile));
  place.append(source, maps);
  return told;
}

function readingBlock(view, row, onRow) {
  return [element("h3", { text: "Click the source word that looks" }), readingWords(view, row, onRow)];
}

function headsBlock(view, tile, width, onTile) {
  if (!view.heads.length) return [];
  const title = element("h3", { text: "Every layer and head, and their mean: a click shows one large" });
  return [element("div", { className: "scroll" }, title, smallMultiples(view, tile, width, onTile))];
}

function headWords(view, map) {
  if (!view.heads.length) return "";
  return map.layer ? `, layer ${map.layer}, head ${map.head}` : ", mean of all layers and heads";
}
