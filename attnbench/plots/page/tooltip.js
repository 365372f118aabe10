// The one tooltip of the page: for words, which the mouse or the keyboard reaches, and for cells of maps.

const tooltip = document.getElementById("tooltip");

function showTooltip(text, x, y) {
  tooltip.textContent = text;
  tooltip.hidden = false;
  const { width, height } = tooltip.getBoundingClientRect();
  const room = document.documentElement.clientWidth - width - 8;
  tooltip.style.left = `${Math.max(8, Math.min(x + 14, room))}px`;
  tooltip.style.top = `${y + 18 + height > innerHeight ? y - height - 10 : y + 18}px`;
}

function hideTooltip() {
  tooltip.hidden = true;
}

/** Show a text while the mouse or the focus is on an element. */
function explain(target, text) {
  target.addEventListener("mousemove", (event) => showTooltip(text(), event.clientX, event.clientY));
  target.addEventListener("mouseleave", hideTooltip);
  target.addEventListener("focus", () => {
    const box = target.getBoundingClientRect();
    showTooltip(text(), box.left, box.bottom - 12);
  });
  target.addEventListener("blur", hideTooltip);
}

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") hideTooltip();
});
addEventListener("scroll", hideTooltip, { passive: true, capture: true });
