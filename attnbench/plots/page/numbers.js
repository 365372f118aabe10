"use strict";
// Weights as they stand in the page, made numbers again. A map is {rows, columns, at(row, column)}.

function bytesOf(base64) {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}

/** A map by itself: 16 bits a number, the lower byte first, 65535 for 1. */
function meanMap(view, rows, columns) {
  const bytes = bytesOf(view.mean);
  const at = (row, column) => {
    const place = 2 * (row * columns + column);
    return (bytes[place] + 256 * bytes[place + 1]) / 65535;
  };
  return { rows, columns, at };
}

/** Every layer's and head's map: a byte a number, 255 times the square root. */
function headMaps(view, rows, columns) {
  if (view.heads === null) return [];
  const bytes = bytesOf(view.heads);
  const size = rows * columns;
  const count = view.layers * view.headsPerLayer;
  return Array.from({ length: count }, (_, number) => ({
    rows,
    columns,
    layer: Math.floor(number / view.headsPerLayer) + 1,
    head: (number % view.headsPerLayer) + 1,
    at: (row, column) => (bytes[number * size + row * columns + column] / 255) ** 2,
  }));
}

function rowOf(map, row) {
  return Array.from({ length: map.columns }, (_, column) => map.at(row, column));
}

/** The mean over some of the rows: where the model looked over its whole answer. */
function meanOfRows(map, rows) {
  return Array.from({ length: map.columns }, (_, column) => {
    const sum = rows.reduce((total, row) => total + map.at(row, column), 0);
    return rows.length ? sum / rows.length : 0;
  });
}

/** The number of places that hold half of all, the largest first. */
function placesOfHalf(shares) {
  return countToHalf([...shares].sort((one, other) => other - one));
}

/** How many places from the end hold half of all. */
function reachFromEnd(shares) {
  return countToHalf([...shares].reverse());
}

function countToHalf(shares) {
  const half = shares.reduce((total, share) => total + share, 0) / 2;
  let sum = 0;
  const place = shares.findIndex((share) => (sum += share) >= half);
  return place + 1;
}

function readable(share) {
  return share.toFixed(3);
}
