// One scale from 0 to 1 for every map on the page, light or dark as the reader's screen is.

const darkScreen = matchMedia("(prefers-color-scheme: dark)");
const STOPS = {
  light: [[255, 255, 255], [158, 202, 225], [49, 130, 189], [8, 38, 94]],
  dark: [[24, 28, 34], [30, 72, 122], [74, 144, 217], [226, 241, 255]],
};
const colours = { stretched: true };

/** The square root shows a share of 1 % at a tenth of the way; evenly it could not be told from 0. */
function wayUp(share) {
  return colours.stretched ? Math.sqrt(share) : share;
}

function colourOf(share) {
  const stops = darkScreen.matches ? STOPS.dark : STOPS.light;
  const way = wayUp(Math.min(1, Math.max(0, share))) * (stops.length - 1);
  const below = Math.min(stops.length - 2, Math.floor(way));
  return stops[below].map((from, channel) =>
    Math.round(from + (way - below) * (stops[below + 1][channel] - from)));
}

function css(colour) {
  return `rgb(${colour.join(",")})`;
}

/** Black or white, whichever is easier to read on a colour (relative luminance as WCAG 2 has it). */
function inkOn(colour) {
  const [red, green, blue] = colour.map((value) => {
    const part = value / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.179 ? "#000" : "#fff";
}

function themeColour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

function drawScale() {
  const canvas = document.getElementById("scale");
  const [width, bar] = [300, 14];
  const pen = sharpPen(canvas, width, 32);
  for (let x = 10; x < width - 10; x++) {
    const way = (x - 10) / (width - 21);
    pen.fillStyle = css(colourOf(colours.stretched ? way * way : way));
    pen.fillRect(x, 0, 1, bar);
  }
  pen.strokeStyle = themeColour("line");
  pen.strokeRect(10.5, 0.5, width - 21, bar - 1);
  pen.fillStyle = themeColour("ink");
  pen.font = "11px system-ui, sans-serif";
  pen.textAlign = "center";
  const marks = colours.stretched ? [0, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 1] : [0, 0.25, 0.5, 0.75, 1];
  for (const mark of marks) pen.fillText(String(mark), 10 + wayUp(mark) * (width - 21), bar + 14);
}

/** A canvas of this many CSS pixels whose lines are as fine as the screen's own pixels. */
function sharpPen(canvas, width, height) {
  const ratio = devicePixelRatio || 1;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  const pen = canvas.getContext("2d");
  pen.scale(ratio, ratio);
  return pen;
}
