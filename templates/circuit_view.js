// The circuits of a run: layers downwards, units across, a map for each kind of site, one circuit or two.
// The data is what mechint/pages/circuits.py packs.
"use strict";

function decodeBytes(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

function decodeHalf(bits) {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

// A circuit as maps by kind; a row is a site: {layer, heads, width, share, cells, at}, where `at` is its first cell.
function unpack(item) {
  const bytes = { scores: decodeBytes(item.scores), kept: decodeBytes(item.kept) };
  const words = (name) => Array.from({ length: bytes[name].length / 2 }, (_, at) => bytes[name][2 * at] | (bytes[name][2 * at + 1] << 8));
  const scores = Float64Array.from(words("scores"), (bits) => decodeHalf(bits) * item.largest);
  const kept = Uint16Array.from(words("kept"));
  const kinds = new Map();
  let at = 0;
  for (const group of item.groups) {
    const { kind, heads, width, share } = group;
    const cells = Math.ceil((heads * width) / share);
    if (!kinds.has(kind)) kinds.set(kind, []);
    for (const layer of group.layers) {
      kinds.get(kind).push({ kind, layer, heads, width, share, cells, at });
      at += cells;
    }
  }
  for (const rows of kinds.values()) rows.sort((one, other) => one.layer - other.layer);
  const sizes = scores.map(Math.abs).filter(Number.isFinite).sort();
  return { ...item, scores, kept, kinds, sizes, end: quantile(sizes, 0.99) || item.largest };
}

function quantile(sorted, share) {
  return sorted.length ? sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length))] : 0;
}

function unitsIn(row, cell) {
  return Math.min(row.share, row.heads * row.width - cell * row.share);
}

function nameUnit(row, cell) {
  const first = cell * row.share;
  const last = first + unitsIn(row, cell) - 1;
  const what = row.kind === "mlp_post" ? "neuron" : "channel";
  const several = last > first;
  if (row.heads * row.width === 1) return "the site";
  if (row.width === 1) return several ? `heads ${first} to ${last}` : `head ${first}`;
  if (row.heads === 1) return several ? `${what}s ${first} to ${last}` : `${what} ${first}`;
  const place = (unit) => `head ${Math.floor(unit / row.width)} channel ${unit % row.width}`;
  if (!several) return place(first);
  return Math.floor(first / row.width) === Math.floor(last / row.width)
    ? `head ${Math.floor(first / row.width)} channels ${first % row.width} to ${last % row.width}`
    : `${place(first)} to ${place(last)}`;
}

function shortNumber(value) {
  return Number.isFinite(value) ? String(Number(value.toPrecision(3))) : "no number";
}

function keptInWords(circuit, row, cell) {
  const units = unitsIn(row, cell);
  const kept = circuit.kept[row.at + cell];
  return units === 1 ? (kept ? "kept" : "dropped") : `${kept} of ${units} kept`;
}

// Colours [r g b] of this theme, read from the page, so that the style sheet alone decides.
function readColours() {
  const probe = document.body.appendChild(document.createElement("span"));
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const read = (name) => {
    probe.style.color = `var(--${name})`;
    canvas.fillStyle = getComputedStyle(probe).color;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data.slice(0, 3)];
  };
  const colours = Object.fromEntries(["paper", "ink", "quiet", "rule", "positive", "negative"].map((name) => [name, read(name)]));
  probe.remove();
  return colours;
}

function mix(from, to, share) {
  return `rgb(${from.map((part, place) => Math.round(part + (to[place] - part) * share)).join(" ")})`;
}

const LEFT = 34; // Room for the numbers of layers.
const BELOW = 16; // Room for the numbers of units.

// A map of one kind of sites of one circuit.
class CircuitMap {
  constructor(view, side, rows) {
    Object.assign(this, { view, side, rows, circuit: side.circuit, at: null });
    this.columns = Math.max(...rows.map((row) => row.cells));
    this.canvas = document.createElement("canvas");
    this.canvas.tabIndex = 0;
    this.canvas.setAttribute("role", "application");
    this.canvas.setAttribute("aria-roledescription", "map of units");
    this.canvas.setAttribute("aria-label", `${rows[0].kind} of ${this.circuit.id}: ${rows.length} layers, ${rows[0].heads * rows[0].width} units each`);
    this.canvas.setAttribute("aria-describedby", "circuit-told");
    this.canvas.addEventListener("pointermove", (event) => this.point(this.cellAt(event)));
    this.canvas.addEventListener("pointerleave", () => this.point(null));
    this.canvas.addEventListener("focus", () => this.point(this.at ?? { row: 0, cell: 0 }));
    this.canvas.addEventListener("blur", () => this.point(null));
    this.canvas.addEventListener("keydown", (event) => this.step(event));
  }

  get size() {
    const width = this.canvas.parentElement.clientWidth;
    const height = Math.max(5, Math.min(22, 560 / this.rows.length));
    return { width, cellWidth: Math.min(28, (width - LEFT) / this.columns), cellHeight: height };
  }

  draw(colours) {
    const { width, cellWidth, cellHeight } = this.size;
    const height = this.rows.length * cellHeight + BELOW;
    const ratio = devicePixelRatio || 1;
    this.canvas.width = Math.round(width * ratio);
    this.canvas.height = Math.round(height * ratio);
    this.canvas.style.height = `${height}px`;
    const pen = this.canvas.getContext("2d");
    pen.scale(ratio, ratio);
    this.rows.forEach((row, place) => {
      for (let cell = 0; cell < row.cells; cell++) {
        this.paint(pen, colours, row, cell, LEFT + cell * cellWidth, place * cellHeight, cellWidth, cellHeight);
      }
    });
    this.label(pen, colours, cellWidth, cellHeight);
    if (this.at) this.outline(pen, colours, cellWidth, cellHeight);
  }

  paint(pen, colours, row, cell, x, y, width, height) {
    if (!this.view.shows(this.circuit, row, cell)) return;
    const score = this.circuit.scores[row.at + cell];
    const strength = Number.isFinite(score) ? Math.min(1, Math.abs(score) / this.circuit.end) : 0;
    const hue = Number.isFinite(score) ? (score < 0 ? colours.negative : colours.positive) : colours.ink;
    const gap = Math.min(1, width * 0.12);
    const share = this.circuit.kept[row.at + cell] / unitsIn(row, cell);
    // Dropped units are pale, and small where there is room to be small.
    const inset = share === 0 && Math.min(width, height) >= 6 ? Math.min(width, height) * 0.28 : 0;
    pen.fillStyle = mix(colours.paper, hue, 0.12 + 0.2 * strength);
    pen.fillRect(x + inset, y + inset, width - gap - 2 * inset, height - 1 - 2 * inset);
    if (share > 0) {
      pen.fillStyle = mix(colours.paper, hue, 0.4 + 0.6 * strength ** 0.7);
      pen.fillRect(x, y + (height - 1) * (1 - share), width - gap, (height - 1) * share);
    }
  }

  label(pen, colours, cellWidth, cellHeight) {
    pen.fillStyle = mix(colours.paper, colours.quiet, 1);
    pen.font = "11px system-ui, sans-serif";
    pen.textAlign = "right";
    pen.textBaseline = "middle";
    const skip = Math.ceil(12 / cellHeight);
    this.rows.forEach((row, place) => {
      if (place % skip === 0) pen.fillText(row.layer, LEFT - 6, (place + 0.5) * cellHeight);
    });
    pen.textAlign = "left";
    const { share, heads, width } = this.rows[0];
    for (let head = 1; width > 1 && width % share === 0 && head < heads; head++) {
      pen.fillRect(LEFT + (head * width * cellWidth) / share - 1, 0, 1, this.rows.length * cellHeight);
    }
    const room = 7 * String(this.columns * share).length + 12;
    const apart = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512].find((step) => step * cellWidth >= room) ?? 512;
    for (let cell = 0; cell < this.columns; cell += apart) {
      pen.fillText(cell * share, LEFT + cell * cellWidth, this.rows.length * cellHeight + BELOW / 2);
    }
  }

  outline(pen, colours, cellWidth, cellHeight) {
    const { row, cell } = this.at;
    pen.strokeStyle = mix(colours.paper, colours.ink, 1);
    pen.lineWidth = 2;
    pen.strokeRect(LEFT + cell * cellWidth - 1, row * cellHeight - 1, Math.max(cellWidth, 3) + 1, cellHeight + 1);
  }

  cellAt(event) {
    const { cellWidth, cellHeight } = this.size;
    const row = Math.floor(event.offsetY / cellHeight);
    const cell = Math.floor((event.offsetX - LEFT) / cellWidth);
    return cell >= 0 && cell < (this.rows[row]?.cells ?? 0) ? { row, cell } : null;
  }

  step(event) {
    const { row, cell } = this.at ?? { row: 0, cell: 0 };
    const moves = {
      ArrowUp: [row - 1, cell],
      ArrowDown: [row + 1, cell],
      ArrowLeft: [row, cell - 1],
      ArrowRight: [row, cell + 1],
      PageUp: [row - 10, cell],
      PageDown: [row + 10, cell],
      Home: [row, 0],
      End: [row, Infinity],
    };
    if (!(event.key in moves)) return;
    event.preventDefault();
    const [down, across] = moves[event.key];
    const next = Math.max(0, Math.min(this.rows.length - 1, down));
    this.point({ row: next, cell: Math.max(0, Math.min(this.rows[next].cells - 1, across)) });
  }

  point(at) {
    this.view.point(this, at);
  }
}

class CircuitView {
  constructor(root, circuits) {
    this.root = root;
    this.circuits = circuits;
    this.unpacked = new Map();
    this.controls = Object.fromEntries(
      ["left", "right", "kind", "units", "threshold"].map((name) => [name, document.getElementById(`circuit-${name}`)]),
    );
    this.sides = ["left", "right"].map((name) => ({ name, box: document.getElementById(`side-${name}`), circuit: null, maps: [] }));
    for (const control of Object.values(this.controls)) control.addEventListener("input", () => this.choose());
    const recolour = () => {
      this.colours = readColours();
      this.draw();
    };
    document.addEventListener("themechange", recolour);
    for (const query of ["(prefers-color-scheme: dark)", "print"]) matchMedia(query).addEventListener("change", recolour);
    addEventListener("resize", () => this.draw());
    this.colours = readColours();
    this.choose();
  }

  circuit(value) {
    if (value === "") return null;
    if (!this.unpacked.has(value)) this.unpacked.set(value, unpack(this.circuits[Number(value)]));
    return this.unpacked.get(value);
  }

  // What the controls say, as maps: called whenever one of them has moved.
  choose() {
    for (const side of this.sides) {
      const circuit = this.circuit(this.controls[side.name].value);
      if (circuit !== side.circuit) this.open(side, circuit);
    }
    const sizes = this.sides.flatMap(({ circuit }) => (circuit ? [...circuit.sizes] : [])).sort((a, b) => a - b);
    const share = Number(this.controls.threshold.value) / 100;
    this.smallest = share === 0 ? 0 : quantile(sizes, share);
    const words = share === 0 ? "no score is hidden" : `those below ${shortNumber(this.smallest)} in size are hidden`;
    document.getElementById("circuit-shown").textContent = words;
    this.controls.threshold.setAttribute("aria-valuetext", words);
    for (const side of this.sides) this.list(side);
    this.overlap();
    this.draw();
  }

  open(side, circuit) {
    side.circuit = circuit;
    side.box.hidden = circuit === null;
    side.maps = circuit ? [...circuit.kinds.values()].map((rows) => new CircuitMap(this, side, rows)) : [];
    const kept = circuit ? circuit.kept.reduce((sum, count) => sum + count, 0) : 0;
    const units = side.maps.flatMap((map) => map.rows).reduce((sum, row) => sum + row.heads * row.width, 0);
    side.box.querySelector("h3").textContent = circuit?.id ?? "";
    side.box.querySelector(".note").textContent = circuit
      ? `${kept} of ${units} units kept; the colours end at ±${shortNumber(circuit.end)}. A score is ${circuit.scores_are}.`
      : "";
    side.box.querySelector(".maps").replaceChildren(
      ...side.maps.flatMap((map) => {
        const title = document.createElement("p");
        title.textContent = map.rows[0].kind;
        map.title = title;
        return [title, map.canvas];
      }),
    );
    this.offerKinds();
  }

  offerKinds() {
    const kinds = [...new Set(this.sides.flatMap(({ maps }) => maps.map((map) => map.rows[0].kind)))];
    const { kind } = this.controls;
    const chosen = kinds.includes(kind.value) ? kind.value : "";
    kind.replaceChildren(...["", ...kinds].map((name) => new Option(name || "all", name)));
    kind.value = chosen;
  }

  shows(circuit, row, cell) {
    const { units } = this.controls;
    const kept = circuit.kept[row.at + cell];
    if (units.value === "kept" && kept === 0) return false;
    if (units.value === "dropped" && kept === unitsIn(row, cell)) return false;
    return !(Math.abs(circuit.scores[row.at + cell]) < this.smallest);
  }

  shownMaps(side) {
    const kind = this.controls.kind.value;
    return side.maps.filter((map) => !kind || map.rows[0].kind === kind);
  }

  draw() {
    for (const side of this.sides) {
      const shown = this.shownMaps(side);
      for (const map of side.maps) {
        map.canvas.hidden = map.title.hidden = !shown.includes(map);
        if (!map.canvas.hidden) map.draw(this.colours);
      }
    }
  }

  // The units with the largest scores of what is shown, for people who would rather read than point.
  list(side) {
    const found = [];
    for (const { rows, circuit } of this.shownMaps(side)) {
      for (const row of rows) {
        for (let cell = 0; cell < row.cells; cell++) {
          const size = Math.abs(circuit.scores[row.at + cell]);
          if (Number.isFinite(size) && this.shows(circuit, row, cell)) found.push({ circuit, row, cell, size });
        }
      }
    }
    found.sort((one, other) => other.size - one.size);
    const lines = found.slice(0, 10).map(({ circuit, row, cell }) => {
      const line = document.createElement("tr");
      const texts = [`${row.kind}.${row.layer}`, nameUnit(row, cell), shortNumber(circuit.scores[row.at + cell]), keptInWords(circuit, row, cell)];
      for (const text of texts) line.insertCell().textContent = text;
      line.cells[2].className = "number";
      return line;
    });
    side.box.querySelector("tbody").replaceChildren(...lines);
  }

  overlap() {
    const [one, other] = this.sides.map(({ circuit }) => circuit);
    const told = document.getElementById("circuit-overlap");
    if (!one || !other) told.textContent = "";
    else if (JSON.stringify(one.groups) !== JSON.stringify(other.groups)) told.textContent = "The two circuits have different sites, so their units cannot be matched.";
    else if (one.groups.some((group) => group.share > 1)) told.textContent = "Cells stand for several units here, so the overlap of the two circuits is not shown.";
    else {
      const both = one.kept.reduce((sum, kept, at) => sum + (kept && other.kept[at] ? 1 : 0), 0);
      const [left, right] = [one, other].map(({ kept }) => kept.reduce((sum, count) => sum + count, 0) - both);
      const jaccard = both + left + right ? shortNumber(both / (both + left + right)) : "undefined";
      told.textContent = `Kept in both ${both}, only in the first ${left}, only in the second ${right} (Jaccard ${jaccard}).`;
    }
  }

  // Mark a cell, and the same one in the other circuit, and say what is there.
  point(map, at) {
    const row = at && map.rows[at.row];
    const told = [];
    for (const side of this.sides) {
      for (const one of side.maps) {
        const place = row && one.rows[0].kind === row.kind ? one.rows.findIndex((other) => other.layer === row.layer) : -1;
        const there = place >= 0 && at.cell < one.rows[place].cells;
        one.at = there ? { row: place, cell: at.cell } : document.activeElement === one.canvas ? one.at : null;
        if (there) told.push(this.tell(one, one.rows[place], at.cell, side));
      }
    }
    if (told.length) document.getElementById("circuit-told").textContent = told.join("; ");
    this.draw();
  }

  tell(map, row, cell, side) {
    const score = `score ${shortNumber(map.circuit.scores[row.at + cell])}, ${keptInWords(map.circuit, row, cell)}`;
    return side.name === "left" ? `layer ${row.layer}, ${row.kind}, ${nameUnit(row, cell)}: ${score}` : `beside it: ${score}`;
  }
}

{
  const data = document.getElementById("circuit-data");
  if (data) new CircuitView(document.getElementById("circuit-view"), JSON.parse(data.textContent));
}
