// Explain a key, and clear.
import { bytes, duration, el } from "./charts.js";

const span = (s) => (s === null || s === undefined ? "no end" : s >= 86400 ? (s / 86400).toFixed(1) + " d" : s >= 3600 ? (s / 3600).toFixed(1) + " h" : s >= 60 ? (s / 60).toFixed(1) + " min" : s ? s.toFixed(1) + " s" : "over");
const at = (t) => new Date(t).toLocaleString("sv");

// What explain shows of a tier: a name, a field, and how it is shown.
const facts = [
  ["State", "state", String], ["Fresh for", "fresh_for_seconds", span], ["Kept for", "kept_for_seconds", span], ["Loaded at", "loaded_at", at],
  ["Age", "age_seconds", span], ["The load took", "load_seconds", duration], ["Refreshed from", "refresh_at", at], ["Revalidated from", "check_at", at],
  ["Version", "version", String], ["Revision", "revision", String], ["Tag clock at the load", "tag_clock", String], ["Epoch", "epoch", String],
  ["Size", "size_bytes", bytes], ["Codec", "codec", String], ["Lease", "lease_seconds", span], ["Hold", "hold_seconds", span],
  ["Tags", "tags", (t) => t.join(", ")], ["Readings of the tags", "tag_readings", (t) => t.join(", ")], ["Invalidated by", "invalidated_by", (t) => t.join(", ")], ["Value", "value", String],
];

function show(a) {
  const parts = [];
  if (a.error) parts.push(el("p", { class: "error" }, a.error));
  if (!a.tiers.length) return [...parts, el("p", {}, `Nothing is cached under ${a.key} in ${a.cache}.`)];
  const rows = facts.filter(([, f]) => a.tiers.some((t) => t[f] !== undefined));
  parts.push(el("div", { class: "scroll", tabindex: 0, role: "group", "aria-label": "What is cached" }, el("table", {},
    el("thead", {}, el("tr", {}, el("th", { scope: "col" }, a.key), ...a.tiers.map((t) => el("th", { scope: "col" }, t.tier === "L1" ? "Memory" : "Redis")))),
    el("tbody", {}, ...rows.map(([name, f, text]) => el("tr", {}, el("th", { scope: "row" }, name), ...a.tiers.map((t) => el("td", {}, t[f] === undefined ? "–" : text(t[f])))))))));
  return parts;
}

// forms wires the two forms, and returns a function that explains a key.
export function forms(get, set) {
  const ask = document.getElementById("explain"), out = document.getElementById("explained");
  async function explain(cache, key) {
    ask.elements.cache.value = cache;
    ask.elements.key.value = key;
    try {
      out.replaceChildren(...show(await get("explain?" + new URLSearchParams({ cache, key }))));
    } catch (err) {
      out.replaceChildren(el("p", { class: "error" }, err.message));
    }
  }
  ask.addEventListener("submit", (e) => { e.preventDefault(); explain(ask.elements.cache.value, ask.elements.key.value); });
  const form = document.getElementById("clear");
  if (form) clear(form, set);
  return explain;
}

function clear(form, set) {
  const { what, cache, pattern, tags, confirm } = form.elements, done = document.getElementById("cleared"), button = form.querySelector("button");
  const list = () => tags.value.split(",").map((t) => t.trim()).filter(Boolean);
  const word = () => ({ cache: cache.value, pattern: pattern.value && `${cache.value}:${pattern.value}`, tags: list().join(","), all: "all" })[what.value];
  const body = () => ({ cache: { cache: cache.value }, pattern: { pattern: word() }, tags: { tags: list() }, all: { all: true } })[what.value];
  const update = () => {
    for (const label of form.querySelectorAll("[data-for]")) label.hidden = !label.dataset.for.split(" ").includes(what.value);
    set(document.getElementById("word"), word() || "…");
    button.disabled = !word() || confirm.value !== word();
  };
  form.addEventListener("input", update);
  form.addEventListener("submit", async (e) => {
    e.preventDefault();
    if (button.disabled) return;
    button.disabled = true;
    const say = (text, bad) => { done.className = bad ? "error" : ""; set(done, text); };
    try {
      const r = await fetch("clear", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ ...body(), confirm: confirm.value }) });
      const a = await r.json();
      if (r.ok) say(`Cleared: ${a.target}${a.deleted ? `, ${a.deleted} keys` : ""}, at ${at(a.timestamp).slice(11)}.`);
      else say(a.error, true);
    } catch (err) { say("The process does not answer: " + err.message, true); }
    confirm.value = "";
    update();
  });
  update();
}
