// What every page can do: choose light or dark, sort tables, read maps with the keyboard, and print whole.
"use strict";

for (const part of document.querySelectorAll(".script")) part.hidden = false;

// The theme of the system, light, dark; a browser that keeps nothing for local files forgets the choice.
{
  const button = document.getElementById("theme");
  const names = { "": "as the system", light: "light", dark: "dark" };
  const remembered = () => {
    try {
      return localStorage.getItem("mechint-theme") || "";
    } catch {
      return "";
    }
  };
  const choose = (theme) => {
    if (theme) document.documentElement.dataset.theme = theme;
    else delete document.documentElement.dataset.theme;
    button.textContent = `Theme: ${names[theme]}`;
    try {
      localStorage.setItem("mechint-theme", theme);
    } catch {
      // Nothing depends on it.
    }
    document.dispatchEvent(new Event("themechange"));
  };
  button.addEventListener("click", () => {
    const order = Object.keys(names);
    choose(order[(order.indexOf(document.documentElement.dataset.theme || "") + 1) % order.length]);
  });
  choose(remembered() in names ? remembered() : "");
}

// Numbers by size, everything else as people sort it: layer 2 before layer 10.
const compareTexts = new Intl.Collator("en", { numeric: true }).compare;
function compareCells(one, other) {
  const [a, b] = [one, other].map((text) => Number.parseFloat(text.replace(/[,\u202f ]/g, "")));
  const numbers = [one, other].every((text) => /^\s*[-+]?[\d.,]/.test(text));
  return numbers && a !== b ? a - b : compareTexts(one, other);
}

function sortTable(table, column, descending) {
  const body = table.tBodies[0];
  const text = (row) => row.cells[column].textContent;
  const rows = [...body.rows].sort((one, other) => compareCells(text(one), text(other)) * (descending ? -1 : 1));
  body.append(...rows);
  [...table.tHead.rows[0].cells].forEach((head, place) => {
    if (place === column) head.setAttribute("aria-sort", descending ? "descending" : "ascending");
    else head.removeAttribute("aria-sort");
  });
}

document.addEventListener("click", (event) => {
  const head = event.target.closest("table.sortable th");
  if (head && event.target.closest("button")) {
    sortTable(head.closest("table"), head.cellIndex, head.getAttribute("aria-sort") === "ascending");
  }
});

// A table wider than the page can be scrolled, with the keyboard too.
function markScrolling() {
  for (const box of document.querySelectorAll(".scroll")) {
    if (box.closest("details:not([open])")) continue;
    if (box.scrollWidth > box.clientWidth + 1) {
      box.tabIndex = 0;
      box.setAttribute("role", "group");
      box.setAttribute("aria-label", box.querySelector("caption").textContent);
    } else {
      for (const name of ["tabindex", "role", "aria-label"]) box.removeAttribute(name);
    }
  }
}
addEventListener("resize", markScrolling);
document.addEventListener("toggle", markScrolling, true);
markScrolling();

// In a map one cell is a stop of the Tab key; arrow keys go on from there.
const STEPS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
function tellCell(cell) {
  const table = cell.closest("table");
  const heads = table.tHead.rows[0].cells;
  const [down, across] = heads[0].textContent.split(" \\ ");
  const place = `${down} ${cell.parentElement.cells[0].textContent}, ${across} ${heads[cell.cellIndex].textContent}`;
  const told = document.getElementById(table.dataset.told);
  told.textContent = `${place}: ${cell.textContent || "nothing"} (${cell.dataset.told})`;
}

for (const table of document.querySelectorAll("table.heat")) {
  const cells = table.tBodies[0].querySelectorAll("td");
  for (const cell of cells) cell.tabIndex = -1;
  if (cells.length) cells[0].tabIndex = 0;
  table.addEventListener("keydown", (event) => {
    const step = STEPS[event.key];
    const cell = event.target.closest("td");
    if (!step || !cell) return;
    event.preventDefault();
    const row = table.tBodies[0].rows[cell.parentElement.sectionRowIndex + step[0]];
    const next = row?.cells[cell.cellIndex + step[1]];
    if (next?.tagName !== "TD") return;
    cell.tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  });
  table.addEventListener("focusin", (event) => event.target.tagName === "TD" && tellCell(event.target));
  table.addEventListener("pointerover", (event) => event.target.tagName === "TD" && tellCell(event.target));
}

// Paper shows every item, and the screen afterwards what it showed before.
let opened = [];
addEventListener("beforeprint", () => {
  opened = [...document.querySelectorAll("details:not([open])")];
  for (const item of opened) item.open = true;
});
addEventListener("afterprint", () => {
  for (const item of opened) item.open = false;
});

// A link to an item opens it.
function openTarget() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target?.tagName === "DETAILS") target.open = true;
}
addEventListener("hashchange", openTarget);
openTarget();
