"use strict";
const report = JSON.parse(document.getElementById("data").textContent);
const main = document.getElementById("main"), tip = document.getElementById("tip");
const HUES = ["#2a6f97", "#d1782a", "#4c956c", "#a4508b", "#8a6d00", "#53a7c9", "#b0413e", "#5b5ea6"];
const LOSSES = ["log_loss", "brier"];
const percent = (x) => (x === null || x === undefined ? "undefined" : (100 * x).toFixed(1) + "%");
const figure = (e) => !e || e.value === null ? "undefined"
  : e.value.toFixed(3) + (e.low === null ? "" : ` [${e.low.toFixed(3)}, ${e.high.toFixed(3)}]`);
const basis = (e) => e && e.basis && e.basis !== "resampled groups" ? "\n" + e.basis : "";
const isEstimate = (e) => e && typeof e === "object" && "value" in e && "low" in e;

function make(parent, name, attributes = {}, text = null) {
  const inSvg = name === "svg" || parent.namespaceURI.endsWith("svg");
  const made = inSvg ? document.createElementNS("http://www.w3.org/2000/svg", name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== null) made.textContent = text;
  parent.appendChild(made);
  return made;
}
function hint(element, told) {
  element.addEventListener("pointermove", (event) => {
    tip.textContent = typeof told === "function" ? told(event) : told;
    tip.hidden = !tip.textContent;
    tip.style.left = Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 8) + "px";
    tip.style.top = Math.min(event.clientY + 14, innerHeight - tip.offsetHeight - 8) + "px";
  });
  element.addEventListener("pointerleave", () => { tip.hidden = true; });
}
function section(title, told) {
  const made = make(main, "section");
  make(made, "h2", {}, title);
  if (told) make(made, "p", { class: "told" }, told);
  return made;
}
function choice(parent, names, chosen) {
  const bar = make(parent, "div", { class: "bar" });
  const buttons = names.map((name) => make(bar, "button", { type: "button" }, name));
  const press = (at) => {
    buttons.forEach((button, k) => button.setAttribute("aria-pressed", String(k === at)));
    chosen(at);
  };
  buttons.forEach((button, at) => button.addEventListener("click", () => press(at)));
  return press;
}
function table(parent, heads, rows) {
  const made = make(make(parent, "div", { class: "scroll" }), "table");
  const line = make(make(made, "thead"), "tr"), body = make(made, "tbody");
  const fill = (order) => {
    body.replaceChildren();
    for (const row of order) {
      const tr = make(body, "tr");
      row.forEach((cell) => {
        const td = make(tr, "td", typeof cell === "number" ? { class: "number" } : {});
        if (isEstimate(cell)) { interval(td, cell); hint(td, figure(cell) + basis(cell)); } else td.textContent = cell;
      });
    }
  };
  const key = (cell) => (isEstimate(cell) ? (cell.value === null ? -1 : cell.value) : cell);
  heads.forEach((head, k) => make(line, "th", {}, head).addEventListener("click", (event) => {
    const up = event.target.getAttribute("aria-sort") !== "ascending";
    for (const th of line.children) th.removeAttribute("aria-sort");
    event.target.setAttribute("aria-sort", up ? "ascending" : "descending");
    const compare = (a, b) => (key(a[k]) > key(b[k]) ? 1 : key(a[k]) < key(b[k]) ? -1 : 0);
    fill([...rows].sort((a, b) => (up ? compare(a, b) : compare(b, a))));
  }));
  fill(rows);
}
function interval(parent, estimate) {
  const svg = make(parent, "svg", { width: 132, height: 18 });
  if (estimate.value === null) { make(svg, "text", { x: 0, y: 13, class: "muted" }, "undefined"); return; }
  make(svg, "text", { x: 0, y: 13 }, estimate.value.toFixed(3));
  const x = (share) => 44 + 84 * Math.min(1, Math.max(0, share));
  make(svg, "line", { x1: x(0), x2: x(1), y1: 9, y2: 9, stroke: "#e4e9ed", "stroke-width": 5 });
  if (estimate.low !== null) make(svg, "line", { x1: x(estimate.low), x2: x(estimate.high), y1: 9, y2: 9,
    stroke: "#7fb2ce", "stroke-width": 5 });
  make(svg, "circle", { cx: x(estimate.value), cy: 9, r: 3.5, fill: "#2a6f97" });
}
function frame(parent, width, height, below, beside) {
  const svg = make(parent, "svg", { width: width + 70, height: height + 56, role: "img" });
  const at = { x: (v) => 52 + width * v, y: (v) => 10 + height * (1 - v) };
  for (const share of [0, 0.25, 0.5, 0.75, 1]) {
    make(svg, "line", { x1: at.x(0), x2: at.x(1), y1: at.y(share), y2: at.y(share), stroke: "#e4e9ed" });
    make(svg, "line", { x1: at.x(share), x2: at.x(share), y1: at.y(0), y2: at.y(1), stroke: "#e4e9ed" });
    make(svg, "text", { x: 46, y: at.y(share) + 4, "text-anchor": "end", class: "muted" }, 100 * share + "%");
    make(svg, "text", { x: at.x(share), y: height + 28, "text-anchor": "middle", class: "muted" }, 100 * share + "%");
  }
  make(svg, "text", { x: at.x(0.5), y: height + 48, "text-anchor": "middle", class: "muted" }, below);
  make(svg, "text", { x: 12, y: at.y(0.5), "text-anchor": "middle", class: "muted",
    transform: `rotate(-90 12 ${at.y(0.5)})` }, beside);
  return { svg, at };
}

function headline() {
  const rows = Object.entries(report).filter(([, value]) => isEstimate(value))
    .map(([name, value]) => [name.replaceAll("_", " "), LOSSES.includes(name) ? "a loss, from 0 on" : value,
      figure(value) + basis(value).replace("\n", ", ")]);
  table(section("Figures", "with 95% intervals over resampled groups"), ["figure", "from 0 to 1", "value"], rows);
}
function classes() {
  const entries = Object.entries(report.per_class);
  if (!entries.length) return;
  const names = Object.keys(entries[0][1]);
  table(section("Classes", "click on a heading to sort"), ["class", ...names.map((name) => name.replaceAll("_", " "))],
    entries.map(([label, figures]) => [label, ...names.map((name) => figures[name])]));
}
function confusion() {
  const labels = report.labels, counts = report.confusion, size = labels.length;
  const room = section("Confusion", "rows are the truth, columns the answer; colour is the share of the row");
  const cell = size <= 12 ? 46 : size <= 30 ? 30 : 22, left = 20 + 7 * Math.min(24, Math.max(...labels.map((l) => l.length)));
  const sums = counts.map((row) => row.reduce((a, b) => a + b, 0));
  const place = document.createElement("div");
  place.className = "scroll";
  const draw = (shares) => {
    place.replaceChildren();
    const side = left + cell * size + 8, svg = make(place, "svg", { width: side + 60, height: side, role: "img" });
    labels.forEach((label, k) => {
      const told = label.length > 24 ? label.slice(0, 23) + "…" : label, middle = left + cell * (k + 0.5);
      make(svg, "text", { x: left - 6, y: middle + 4, "text-anchor": "end" }, told);
      make(svg, "text", { transform: `translate(${middle + 4} ${left - 6}) rotate(-60)` }, told);
    });
    counts.forEach((row, r) => row.forEach((count, c) => {
      const share = sums[r] ? count / sums[r] : 0;
      const box = make(svg, "rect", { x: left + cell * c, y: left + cell * r, width: cell - 1, height: cell - 1,
        fill: count ? `color-mix(in srgb, #173f5a ${Math.round(8 + 92 * share)}%, white)` : "#f6f8f9" });
      const told = shares ? Math.round(100 * share) + (cell > 40 ? "%" : "") : count;
      if (count) make(svg, "text", { x: left + cell * (c + 0.5) - 0.5, y: left + cell * (r + 0.5) + 4, "text-anchor": "middle",
        style: `pointer-events:none;fill:${share > 0.45 ? "#fff" : "#1b2733"};font-size:${cell > 40 ? 12 : cell > 25 ? 10 : 8}px` }, told);
      hint(box, `${labels[r]} taken for ${labels[c]}:\n${count} of ${sums[r]} (${percent(share)})`);
    }));
  };
  const press = choice(room, ["counts", "shares in %"], (at) => draw(at === 1));
  room.appendChild(place);
  press(0);
}
function calibration() {
  const views = Object.entries(report.class_calibration || {});
  if (report.calibration) views.unshift(["the top answer", report.calibration.filter((bin) => bin.count)]);
  if (!views.length) return;
  const room = section("Calibration", "how often it is right, against how sure the model was; size is the number of samples");
  const pick = make(make(room, "div", { class: "bar" }), "select", { "aria-label": "class" }), place = make(room, "div");
  views.forEach(([name], k) => make(pick, "option", { value: k }, name));
  const draw = () => {
    place.replaceChildren();
    const bins = views[pick.value][1], { svg, at } = frame(place, 440, 360, "confidence", "share that is right");
    const most = Math.max(1, ...bins.map((bin) => bin.count));
    make(svg, "line", { x1: at.x(0), y1: at.y(0), x2: at.x(1), y2: at.y(1), stroke: "#66757f", "stroke-dasharray": "4 3" });
    for (const bin of bins) {
      const x = at.x(bin.confidence), y = at.y(bin.accuracy);
      make(svg, "line", { x1: x, x2: x, y1: at.y(bin.confidence), y2: y, stroke: "#d1782a", "stroke-width": 2 });
      const dot = make(svg, "circle", { cx: x, cy: y, r: 4 + 8 * Math.sqrt(bin.count / most), fill: "#2a6f97" });
      hint(dot, `${bin.count} samples\nsure ${percent(bin.confidence)}, right ${percent(bin.accuracy)}`);
    }
  };
  pick.addEventListener("change", draw);
  draw();
}
function curves() {
  const precision = (label) => report.per_class[label].average_precision || report.per_class[label].ap50;
  const found = (report.curves || []).filter((curve) => curve.positives && curve.thresholds.length)
    .sort((a, b) => precision(a.label).value - precision(b.label).value);
  if (!found.length) return;
  const room = section("Curves", "lowest first; point at a line for its threshold; click on a name to hide or show it");
  const hidden = new Set(found.slice(HUES.length).map((curve) => curve.label));
  let roc = false, press = null;
  const side = document.createElement("div");
  side.className = "side";
  const draw = () => {
    side.replaceChildren();
    const { svg, at } = frame(make(side, "div"), 520, 420, roc ? "false positive rate" : "recall", roc ? "recall" : "precision");
    const key = make(side, "div", { class: "key" });
    found.forEach((curve, k) => {
      const hue = HUES[k % HUES.length], figures = report.per_class[curve.label];
      const shown = !hidden.has(curve.label), area = roc ? figures.auc : precision(curve.label);
      const button = make(key, "button", { type: "button", "aria-pressed": String(shown) });
      make(button, "i", { style: `background:${hue}` });
      button.append(`${curve.label}  ${figure(area)}`);
      button.addEventListener("click", () => { shown ? hidden.add(curve.label) : hidden.delete(curve.label); draw(); });
      if (!shown) return;
      const points = curve.hits.map((hits, n) => {
        const recall = hits / curve.positives, precision = hits / Math.max(1, hits + curve.alarms[n]);
        return { n, recall, precision, x: roc ? curve.alarms[n] / curve.negatives : recall, y: roc ? recall : precision };
      }).filter((p) => roc || p.recall > (p.n ? curve.hits[p.n - 1] / curve.positives : 0));
      if (!points.length) return;
      if (report.kind === "detection") points.forEach((p, k) => { p.y = Math.max(...points.slice(k).map((q) => q.precision)); });
      const line = [roc ? [0, 0] : [0, points[0].y], ...points.map((p) => [p.x, p.y])];
      const path = line.map(([x, y], n) => (n === 0 ? `M${at.x(x)},${at.y(y)}`
        : roc ? `L${at.x(x)},${at.y(y)}` : `V${at.y(y)}H${at.x(x)}`)).join("");
      make(svg, "path", { d: path, fill: "none", stroke: hue, "stroke-width": 2 });
      const wide = make(svg, "path", { d: path, fill: "none", stroke: "transparent", "stroke-width": 14 });
      hint(wide, (event) => {
        const box = svg.getBoundingClientRect(), px = event.clientX - box.left, py = event.clientY - box.top;
        const far = (p) => Math.hypot(at.x(p.x) - px, at.y(p.y) - py);
        const near = points.reduce((a, b) => (far(b) < far(a) ? b : a));
        return `${curve.label} from ${curve.thresholds[near.n]} on\nprecision ${percent(near.precision)}, recall ${percent(near.recall)}`;
      });
    });
  };
  const views = ["precision and recall"].concat(report.kind === "detection" ? [] : ["ROC"]);
  press = choice(room, views, (at) => { roc = at === 1; draw(); });
  room.appendChild(side);
  press(0);
}
function errors() {
  const room = section("Kinds of errors", "what mending each kind would add to mAP at overlap 0.5, and how many there are");
  const rows = Object.entries(report.errors), svg = make(room, "svg", { width: 860, height: 26 * rows.length + 8, role: "img" });
  [["cost", 110, "#d1782a", (value) => value.toFixed(3)], ["count", 500, "#2a6f97", String]].forEach(([name, left, hue, told]) => {
    const most = Math.max(1e-9, ...rows.map(([, each]) => each[name]));
    rows.forEach(([kind, each], k) => {
      const width = 280 * each[name] / most;
      if (name === "cost") make(svg, "text", { x: left - 8, y: 26 * k + 20, "text-anchor": "end" }, kind);
      const bar = make(svg, "rect", { x: left, y: 26 * k + 6, width, height: 18, fill: hue });
      hint(bar, `${kind}: ${each.count} errors, mending them adds ${each.cost.toFixed(3)}`);
      make(svg, "text", { x: left + width + 6, y: 26 * k + 20 }, told(each[name]));
    });
  });
}

function decision() {
  const { promote, verdicts, evidence } = report.decision;
  const room = section("Decision", `rules of version ${evidence.rules}`);
  make(room, "p", { class: promote ? "verdict yes" : "verdict no" },
    promote ? "It may become champion." : "It may not become champion.");
  table(room, ["rule", "verdict", "found"], verdicts.map(({ rule, outcome, blocks, sentence }) =>
    [rule.name || rule.kind.replaceAll("_", " "), outcome + (blocks ? ", blocks" : ""), sentence]));
}
function speed() {
  const { request, decode, predict, throughput, fps, load_s, loaded_bytes, peak_bytes, machine } = report.speed;
  const short = (x) => (x >= 100 ? x.toFixed(0) : x.toFixed(x >= 10 ? 1 : 2));
  const told = (e, unit = 1) => `${short(e.value / unit)} [${short(e.low / unit)}, ${short(e.high / unit)}]`;
  const room = section("Speed", `${report.speed.requests} requests in ${report.speed.repeats} fresh processes with `
    + `${report.speed.engine}; in brackets the least and greatest of the processes; ${machine.processor}, `
    + `${machine.cores_usable} cores, ${machine.system}`);
  table(room, ["milliseconds", "p50", "p95", "p99"], [["bytes to answer", request], ["decode", decode],
    ["predict", predict]].map(([name, each]) => [name, told(each.p50), told(each.p95), told(each.p99)]));
  table(room, ["samples a second", "value"], [["from bytes, one at a time", told(fps)],
    ...throughput.map((each) => [`in batches of ${each.size}`, told(each.per_second)])]);
  table(room, ["needs", "value"], [["seconds to load", told(load_s)], ["MB when loaded", told(loaded_bytes, 1e6)],
    ["MB at most", told(peak_bytes, 1e6)]]);
}

const many = report.kind === "detection" ? `${report.n} boxes in ${report.images} pictures` : `${report.n} samples`;
document.getElementById("about").textContent = `${many}, ${report.group_count} groups; model ${report.model_digest || "not named"}`;
for (const caveat of report.caveats || []) {
  const line = document.createElement("p");
  line.className = "caveat";
  line.textContent = caveat;
  document.querySelector("header").append(line);
}
if (report.decision) decision();
headline();
if (report.confusion) confusion();
if (report.errors) errors();
curves();
calibration();
classes();
if (report.speed) speed();
