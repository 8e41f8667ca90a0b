// The page: it receives a step each second, and draws it. Without this file it shows the numbers
// that the server wrote.
import { bytes, card, charts, count, draw, duration, el, merge, percent, rate, svg } from "./charts.js";
import { forms } from "./forms.js";

const $ = (id) => document.getElementById(id);
const controls = $("controls"), spans = { 1: ["5 min", 300], 10: ["1 hour", 360] };
const state = { fields: [], all: [], one: [], seq: 0, step: 1, cache: "", live: null, paused: false, at: -1 };
const cards = charts.map(card);
$("charts").append(...cards.map((c) => c.section));

// set changes a text only if it is another one: what is read aloud is then a change.
function set(e, text) { if (e && e.textContent !== text) e.textContent = text; }

async function get(path) {
  const r = await fetch(path, { headers: { Accept: "application/json" } });
  if (!r.ok) throw new Error((await r.json().catch(() => ({}))).error || r.statusText);
  return r.json();
}

const named = (row) => Object.fromEntries(state.fields.map((f, i) => [f, row[i]]));

// load gets the history.
async function load() {
  const step = controls.elements.step.value, cache = controls.elements.cache.value;
  const [all, one] = await Promise.all([get("history?step=" + step), cache ? get(`history?step=${step}&cache=${encodeURIComponent(cache)}`) : null]);
  if (step !== controls.elements.step.value || cache !== controls.elements.cache.value) return;
  state.fields = all.fields;
  Object.assign(state, { step, cache, seq: all.seq, all: all.rows.map(named), one: (one || all).rows.map(named) });
  if (!cache) state.one = state.all;
  drawAll();
  if (state.live) { tiles(state.live); caches(state.live); }
}

function drawAll() {
  const [span, slots] = spans[state.step];
  for (const c of cards) {
    const rows = c.chart.whole ? state.all : state.one;
    draw(c, rows, slots, span, state.live ? state.live.max_bytes : 0, state.at < 0 ? -1 : state.at - (state.one.length - rows.length));
  }
}

function redraw() { load().catch((err) => set($("connection"), "The history cannot be read: " + err.message)); }

// receive shows a step.
function receive(live) {
  state.live = live;
  status(live.health);
  if (state.paused) return;
  const next = live.seq === state.seq + 1;
  if (!state.fields.length || (state.step == 1 && live.seq > state.seq && !next) || (state.step == 10 && live.seq >= state.seq + 10)) redraw();
  else if (state.step == 1 && next) {
    const mine = live.caches.find((c) => c.name === state.cache);
    push(state.all, live.all);
    if (!state.cache) state.one = state.all;
    else if (mine && mine.row.length) push(state.one, mine.row);
    state.seq = live.seq;
    drawAll();
  }
  if (state.fields.length) { tiles(live); caches(live); }
  limits(live);
}

function push(rows, row) {
  rows.push(named(row));
  if (rows.length > 300) rows.shift();
}

function status(h) {
  const pill = $("status"), word = h.status[0].toUpperCase() + h.status.slice(1);
  pill.className = "pill " + h.status;
  set(pill.querySelector("b"), word);
  const part = (name) => (h.parts || []).find((p) => p.name === name) || {};
  const facts = { redis: h.redis, breaker: part("breaker").status, invalidations: part("invalidations").status, lag: duration(part("invalidations").lag_seconds) };
  for (const [k, v] of Object.entries(facts)) {
    const dd = document.querySelector(`[data-fact=${k}]`);
    if (!dd || !v) continue;
    set(dd, v);
    dd.className = /^(disconnected|open|half-open)$/.test(v) ? "bad" : "";
  }
  const texts = (h.parts || []).filter((p) => p.cache).map((p) => `${p.name} of ${p.cache}: ${p.status}${p.keys ? ", " + (p.keys < 0 ? "all" : p.keys) + " keys" : ""}${p.last_error ? ", " + p.last_error : ""}`);
  if (h.redis === "disconnected" && part("redis").last_error) texts.unshift("Redis: " + part("redis").last_error);
  const faults = $("faults");
  if (texts.join("\n") !== [...faults.children].map((li) => li.textContent).join("\n")) faults.replaceChildren(...texts.map((t) => el("li", {}, t)));
}

const whole = (x) => (x * 100).toFixed(0) + " %";

// tiles shows the last ten seconds, which are steadier than one.
function tiles(live) {
  const rows = (state.step == 1 ? state.one : []).slice(-10);
  const own = state.cache ? live.caches.find((c) => c.name === state.cache) : null;
  const row = own ? own.row : live.all;
  if (!rows.length && row.length) rows.push(named(row));
  if (!rows.length) return;
  const r = merge(rows), reads = r.l1 + r.l2 + r.misses, tile = (k, v, note) => { set(document.querySelector(`[data-tile=${k}]`), v); set(document.querySelector(`[data-note=${k}]`), note); };
  tile("reads", rate(reads / r.seconds), `${rate(r.l1 / r.seconds)} from memory`);
  tile("ratio", reads ? percent((r.l1 + r.l2) / reads) : "–", reads ? `memory ${whole(r.l1 / reads)}, Redis ${whole(r.l2 / reads)}` : "no reads");
  tile("loads", rate(r.loads / r.seconds), `${rate((r.shared + r.waits) / r.seconds)} coalesced`);
  tile("l2", duration(r.l2_p99), r.l2_p50 ? `p50 ${duration(r.l2_p50)}` : "no reads in Redis");
  tile("source", duration(r.load_p99), r.load_p50 ? `p50 ${duration(r.load_p50)}` : "no loads");
  tile("memory", bytes(r.bytes), (live.max_bytes ? `of ${bytes(live.max_bytes)}, ` : "") + `${count(r.entries)} entries`);
}

const columns = ["Cache", "Reads", "Answered by memory, Redis, source", "Loads", "Redis p99", "Source p99", "Entries", "Memory", "Retry queue"];
const lines = new Map();

// caches keeps the rows of the table, so that the focus stays where it is.
function caches(live) {
  const table = $("caches"), body = table.tBodies[0];
  if (table.tHead.rows[0].cells[1].textContent !== columns[1]) {
    table.tHead.rows[0].replaceChildren(...columns.map((c) => el("th", { scope: "col" }, c)));
    body.replaceChildren();
  }
  const names = live.caches.map((c) => c.name);
  for (const [name, line] of lines) if (!names.includes(name)) { line.remove(); lines.delete(name); }
  for (const c of live.caches) {
    if (!c.row.length) continue;
    let line = lines.get(c.name);
    if (!line) {
      const pick = el("button", { type: "button", class: "link" }, c.name);
      pick.addEventListener("click", () => { controls.elements.cache.value = controls.elements.cache.value === c.name ? "" : c.name; redraw(); });
      line = el("tr", {}, el("th", { scope: "row" }, pick), ...columns.slice(1).map(() => el("td")));
      line.cells[2].append(el("span"), svg("svg", { class: "share", width: 90, height: 10, "aria-hidden": true }, ...[1, 2, 3].map((i) => svg("rect", { class: "f" + i, height: 10 }))));
      lines.set(c.name, line);
      body.append(line);
      options(live.caches);
    }
    const r = named(c.row), reads = r.l1 + r.l2 + r.misses;
    const shares = [r.l1, r.l2, r.misses].map((n) => (reads ? n / reads : 0));
    set(line.cells[2].firstChild, reads ? shares.map((s) => (s * 100).toFixed(0)).join(" / ") + " %" : "–");
    let x = 0;
    [...line.querySelectorAll("rect")].forEach((rect, i) => { rect.setAttribute("x", x * 90); rect.setAttribute("width", shares[i] * 90); x += shares[i]; });
    [rate(reads / r.seconds), null, rate(r.loads / r.seconds), duration(r.l2_p99), duration(r.load_p99), count(r.entries), bytes(r.bytes), c.retry < 0 ? "all" : count(c.retry)]
      .forEach((t, i) => { if (t !== null) set(line.cells[i + 1], t); });
  }
}

// options adds new caches to the lists.
function options(list) {
  for (const select of document.querySelectorAll("select[name=cache]")) {
    const known = [...select.options].map((o) => o.value);
    for (const c of list) if (!known.includes(c.name)) select.append(el("option", {}, c.name));
  }
}

function limits(live) {
  if (!live.limiters.length) return;
  $("limits").tBodies[0].replaceChildren(...live.limiters.map((l) => el("tr", {}, el("th", { scope: "row" }, l.policy), ...[l.allowed, l.denied, l.errors].map((n) => el("td", {}, count(n))))));
}

async function top() {
  const table = $("top"), body = table.tBodies[0];
  if (state.paused || document.hidden || body.contains(document.activeElement)) return;
  const cache = controls.elements.cache.value;
  const a = await get("top" + (cache ? "?cache=" + encodeURIComponent(cache) : "")).catch(() => null);
  if (!a || !a.keys.length) return;
  body.replaceChildren(...a.keys.map((k) => {
    let key = k.key;
    if (a.shown) {
      key = el("button", { type: "button", class: "link" }, k.key);
      key.addEventListener("click", () => explain(k.cache, k.key));
    }
    return el("tr", {}, el("th", { scope: "row" }, key), el("td", {}, k.cache), el("td", {}, count(k.reads)));
  }));
}

// connect receives the stream; where that is not possible it asks once in two seconds.
let silent;
function connect() {
  const events = new EventSource("stream");
  const lost = () => { $("status").className = "pill lost"; set($("status").querySelector("b"), "No answer"); set($("connection"), "The process does not answer. The numbers below are old."); };
  events.onmessage = (e) => { set($("connection"), ""); receive(JSON.parse(e.data)); };
  events.onerror = async () => {
    if (events.readyState !== EventSource.CLOSED) { lost(); return; }
    clearTimeout(silent);
    silent = setTimeout(connect, 10000);
    for (let i = 0; i < 4; i++) {
      try {
        receive(await get("live"));
        set($("connection"), "There is no stream for this page: the numbers are read every two seconds.");
      } catch { lost(); }
      await new Promise((done) => setTimeout(done, 2000));
    }
  };
}

const explain = forms(get, set);
$("pause").addEventListener("click", () => {
  state.paused = !state.paused;
  $("pause").setAttribute("aria-pressed", state.paused);
  set($("pause"), state.paused ? "Resume" : "Pause");
  if (!state.paused) redraw();
});
controls.addEventListener("change", () => { redraw(); top(); });
controls.addEventListener("submit", (e) => e.preventDefault());
const hover = (i) => { if (i !== state.at) { state.at = i; drawAll(); } };
for (const c of cards) {
  c.plot.addEventListener("pointermove", (e) => {
    const i = c.index ? c.index(e.clientX - c.plot.getBoundingClientRect().left) : -1;
    hover(i < 0 ? -1 : i + (c.chart.whole ? state.one.length - state.all.length : 0));
  });
  c.plot.addEventListener("pointerleave", () => hover(-1));
  c.details.addEventListener("toggle", drawAll);
}
new ResizeObserver(drawAll).observe($("charts"));
connect();
top();
setInterval(top, 5000);
