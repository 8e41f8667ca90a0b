// Charts: what each shows, and how it is drawn as SVG.

const svgNS = "http://www.w3.org/2000/svg";

// el makes an element; svg one of SVG. Attributes that are undefined are left out.
export function el(name, attrs = {}, ...children) { return fill(document.createElement(name), attrs, children); }
export function svg(name, attrs = {}, ...children) { return fill(document.createElementNS(svgNS, name), attrs, children); }
function fill(e, attrs, children) {
  for (const [k, v] of Object.entries(attrs)) if (v !== undefined) e.setAttribute(k, v);
  e.append(...children);
  return e;
}

// Texts of numbers.
export const count = (x) => Math.round(x).toLocaleString("en");
export function rate(x) {
  if (x >= 1e6) return (x / 1e6).toFixed(1) + " M/s";
  if (x >= 1e4) return (x / 1e3).toFixed(x >= 1e5 ? 0 : 1) + " k/s";
  return (x >= 10 || x === 0 ? count(x) : x.toFixed(1)) + "/s";
}
export function bytes(x) {
  const units = ["B", "KB", "MB", "GB", "TB"];
  let i = 0;
  for (; x >= 1024 && i < 4; i++) x /= 1024;
  return (x >= 100 || x % 1 === 0 ? x.toFixed(0) : x.toFixed(1)) + " " + units[i];
}
export function duration(s) {
  if (!s) return "–";
  const three = (x) => (x >= 100 ? x.toFixed(0) : String(Number(x.toPrecision(2))));
  return s < 1e-3 ? three(s * 1e6) + " µs" : s < 1 ? three(s * 1e3) + " ms" : three(s) + " s";
}
export const percent = (x) => (x * 100).toFixed(x > 0 && x < 1 ? 1 : 0) + " %";

const perSecond = (f) => (r) => r[f] / r.seconds;
const level = (f) => (r) => r[f];
const share = (f) => (r) => { const n = r.l1 + r.l2 + r.misses; return n ? r[f] / n : NaN; };

// Each chart: its kind, how numbers are shown, and its series. whole: it is of the process.
export const charts = [
  { id: "answers", title: "Where reads are answered", kind: "share", text: percent, series: [["Memory", share("l1")], ["Redis", share("l2")], ["Source", share("misses")]] },
  { id: "latency", title: "Latency", note: "logarithmic", kind: "log", text: duration, series: [["Redis p50", level("l2_p50")], ["Redis p99", level("l2_p99")], ["Source p50", level("load_p50")], ["Source p99", level("load_p99")]] },
  { id: "source", title: "Loads", kind: "linear", text: rate, series: [["Loads", perSecond("loads")], ["Coalesced here", perSecond("shared")], ["Waited for another process", perSecond("waits")], ["Failed", perSecond("load_errors")]] },
  { id: "stale", title: "Stale answers", kind: "linear", text: rate, series: [["Source slow or failed", perSecond("stale")], ["Redis unreachable too", perSecond("suspect")]] },
  { id: "memory", title: "Memory", kind: "area", text: bytes, series: [["In use", level("bytes")]] },
  { id: "evictions", title: "Evictions", kind: "linear", text: rate, series: [["For room", perSecond("evictions")], ["Not admitted", perSecond("rejected")]] },
  { id: "invalidations", title: "Invalidations received", kind: "linear", text: rate, series: [["Invalidations", perSecond("invalidations")]] },
  { id: "lag", title: "Invalidation lag, at most", note: "logarithmic", whole: true, kind: "log", text: duration, series: [["Lag", level("lag")]] },
  { id: "limits", title: "Rate limiting", whole: true, kind: "linear", text: rate, series: [["Allowed", perSecond("allowed")], ["Denied", perSecond("denied")], ["Failed", perSecond("limit_errors")]] },
];

const sums = ["l1", "l2", "misses", "loads", "load_errors", "shared", "waits", "stale", "suspect", "refreshes", "overloads", "evictions", "rejected", "invalidations", "l2_errors", "allowed", "denied", "limit_errors", "seconds"];
const levels = ["entries", "bytes"];

// merge returns one row for several: sums, the last level, the longest duration.
export function merge(rows) {
  const r = { ...rows[rows.length - 1] };
  for (const row of rows.slice(0, -1)) for (const f in r) if (!levels.includes(f)) r[f] = sums.includes(f) ? r[f] + row[f] : Math.max(r[f], row[f]);
  return r;
}

// card makes the section of a chart, with its parts.
export function card(chart) {
  const c = { chart, plot: svg("svg", { class: "plot", role: "img" }), values: [] };
  const legend = el("ul", { class: "legend" });
  chart.series.forEach(([name], i) => {
    const swatch = chart.kind === "share"
      ? svg("svg", { width: 11, height: 11, "aria-hidden": true }, svg("rect", { width: 11, height: 11, rx: 3, class: "f" + (i + 1) }))
      : svg("svg", { width: 22, height: 4, "aria-hidden": true }, svg("path", { d: "M1 2H21", class: `c${i + 1} d${i + 1}` }));
    c.values[i] = el("b", {}, "–");
    legend.append(el("li", {}, swatch, name + " ", c.values[i]));
  });
  if (chart.kind === "area") {
    c.limit = el("b", {}, "–");
    legend.append(el("li", {}, svg("svg", { width: 22, height: 4, "aria-hidden": true }, svg("path", { d: "M1 2H21", class: "c3 d2" })), "Budget ", c.limit));
  }
  const id = "c-" + chart.id, body = el("tbody");
  const region = el("div", { class: "scroll", tabindex: 0, role: "group", "aria-label": chart.title + " as a table" },
    el("table", {}, el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "Time"), ...chart.series.map(([name]) => el("th", { scope: "col" }, name)))), body));
  c.details = el("details", {}, el("summary", {}, "Table", el("span", { class: "hide" }, " of " + chart.title)), region);
  c.body = body;
  const heading = el("h2", { id }, chart.title);
  if (chart.note) heading.append(" ", el("span", { class: "note" }, chart.note));
  c.section = el("section", { class: "card", "aria-labelledby": id, "data-chart": chart.id }, heading, el("figure", {}, c.plot, legend, c.details));
  return c;
}

// nice returns a round number that is not below x.
function nice(x) {
  const p = 10 ** Math.floor(Math.log10(x));
  for (const m of [1, 2, 2.5, 5, 10]) if (m * p >= x) return m * p;
  return 10 * p;
}

const top = 10, bottom = 18, left = 52, right = 4;

// scaleOf returns the vertical scale: y of a value, and the ticks.
function scaleOf(kind, values, height, limit) {
  const h = height - top - bottom, seen = values.flat().filter((v) => v > 0);
  if (kind === "log") {
    const low = Math.floor(Math.log10(Math.min(...seen, 1e-3)) + 1e-9), high = Math.max(Math.ceil(Math.log10(Math.max(...seen, 1e-3)) - 1e-9), low + 2);
    const ticks = [];
    for (let d = low; d <= high; d++) ticks.push(10 ** d);
    return { y: (v) => top + h * (1 - (Math.log10(v) - low) / (high - low)), ticks, gap: (v) => !(v > 0) };
  }
  let max = kind === "share" ? 1 : nice(Math.max(...seen, kind === "area" ? 1 << 20 : 1));
  if (kind === "area") {
    const most = Math.max(...seen, limit, 1 << 20) * 1.04;
    for (max = 1 << 20; max < most; ) max *= 2;
    if (max * .75 >= most) max *= .75;
  }
  const ticks = kind === "area" && max % 3 === 0 ? [0, max / 3, max * 2 / 3, max] : [0, max / 2, max];
  return { y: (v) => top + h * (1 - v / max), ticks, gap: (v) => Number.isNaN(v) };
}

// line returns the path of a series, with gaps where it has no value.
function line(values, x, s) {
  let d = "", pen = false;
  values.forEach((v, i) => {
    if (s.gap(v)) { pen = false; return; }
    const alone = !pen && (i + 1 >= values.length || s.gap(values[i + 1]));
    d += (pen ? "L" : "M") + x(i).toFixed(1) + " " + s.y(v).toFixed(1) + (alone ? "h.1" : "");
    pen = true;
  });
  return d;
}

// bands returns the paths of stacked shares: each run without a gap is closed.
function bands(values, x, s) {
  return values.map((_, k) => {
    let d = "", up = [], down = [];
    const close = () => {
      if (up.length > 1) d += "M" + up.join("L") + "L" + down.reverse().join("L") + "Z";
      up = []; down = [];
    };
    values[k].forEach((v, i) => {
      if (s.gap(v)) return close();
      let below = 0;
      for (let j = 0; j < k; j++) below += values[j][i];
      up.push(x(i).toFixed(1) + " " + s.y(below + v).toFixed(1));
      down.push(x(i).toFixed(1) + " " + s.y(below).toFixed(1));
    });
    close();
    return d;
  });
}

// draw draws rows, the last of slots, into a card. at is the row under the pointer, or -1.
export function draw(c, rows, slots, span, limit, at) {
  const { chart, plot } = c, width = Math.max(plot.clientWidth, 120), height = 168;
  const values = chart.series.map(([, f]) => rows.map(f));
  const s = scaleOf(chart.kind, values, height, limit), w = width - left - right;
  const x = (i) => left + w * (slots - rows.length + i) / (slots - 1);
  const parts = [];
  const skip = s.ticks.length > 6 ? 2 : 1;
  s.ticks.forEach((t, i) => {
    const y = Math.round(s.y(t)) + .5;
    parts.push(svg("line", { class: "grid", x1: left, x2: width - right, y1: y, y2: y }));
    if (i % skip === 0) parts.push(svg("text", { x: left - 7, y: y + 3.5, "text-anchor": "end" }, t === 0 && chart.text === duration ? "0" : (chart.kind === "share" ? t * 100 + " %" : chart.text(t).replace(".0/s", "/s"))));
  });
  parts.push(svg("text", { x: left, y: height - 3 }, span + " ago"), svg("text", { x: width - right, y: height - 3, "text-anchor": "end" }, "now"));
  if (chart.kind === "share") bands(values, x, s).forEach((d, i) => parts.push(svg("path", { class: "f" + (i + 1), d })));
  else values.forEach((v, i) => {
    const d = line(v, x, s);
    if (chart.kind === "area" && d && rows.length > 1) parts.push(svg("path", { class: "wash", d: d + `L${x(rows.length - 1)} ${s.y(0)}L${x(0)} ${s.y(0)}Z` }));
    parts.push(svg("path", { class: `line c${i + 1} d${i + 1}`, d }));
  });
  if (chart.kind === "area" && limit) parts.push(svg("line", { class: "limit", x1: left, x2: width - right, y1: s.y(limit), y2: s.y(limit) }));
  if (at >= 0) parts.push(svg("line", { class: "cross", x1: x(at), x2: x(at), y1: top, y2: height - bottom }));
  plot.setAttribute("viewBox", `0 0 ${width} ${height}`);
  plot.replaceChildren(...parts);
  const i = at >= 0 ? at : rows.length - 1;
  const texts = values.map((v) => (i < 0 || Number.isNaN(v[i]) ? "–" : chart.text(v[i])));
  texts.forEach((t, k) => { c.values[k].textContent = t; });
  if (c.limit) c.limit.textContent = limit ? bytes(limit) : "none";
  plot.setAttribute("aria-label", chart.title + ": " + chart.series.map(([name], k) => name + " " + texts[k]).join(", "));
  c.index = (px) => { const i = Math.round((px - left) / w * (slots - 1)) - (slots - rows.length); return i >= 0 && i < rows.length ? i : -1; };
  if (c.details.open) table(c, rows, span);
}

// table writes at most ten rows, the newest first.
function table(c, rows, span) {
  const n = Math.ceil(rows.length / 10), out = [];
  for (let end = rows.length; end > 0; end -= n) {
    const r = merge(rows.slice(Math.max(end - n, 0), end));
    const ago = Math.round((rows.length - end) * (span === "1 hour" ? 10 : 1));
    out.push(el("tr", {}, el("th", { scope: "row" }, ago ? (ago >= 60 ? Math.floor(ago / 60) + " min " : "") + (ago % 60) + " s ago" : "now"),
      ...c.chart.series.map(([, f]) => { const v = f(r); return el("td", {}, Number.isNaN(v) ? "–" : c.chart.text(v)); })));
  }
  c.body.replaceChildren(...out);
}
