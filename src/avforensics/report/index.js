"use strict";
// The index of a batch: sort and filter on the data, and put only so many rows into the page.

const { columns, rows } = JSON.parse(document.getElementById("rows").textContent);
const BATCH = 200; // rows added at a time while scrolling: thousands stay quick
const find = (name) => document.getElementById(name);
const at = Object.fromEntries(columns.map((column, i) => [column.key, i]));
const body = document.querySelector("#table tbody");
// Spread into Math.max, as arguments, the rows of a large batch are too many.
const highest = rows.reduce((most, row) => Math.max(most, row[at.score] ?? 0), 1e-12);
const collator = new Intl.Collator(undefined, { numeric: true });

const state = { key: "score", descending: true, words: "", status: "all", range: null };
let shown = [];
let drawn = 0;

/** Rows without a value come last, whichever way the column is sorted. */
function compare(first, second) {
  const column = columns[at[state.key]];
  const [a, b] = [first[at[state.key]], second[at[state.key]]];
  if (a === null || b === null) return (a === null) - (b === null);
  const order = column.kind === "number" ? a - b : collator.compare(a, b);
  return state.descending ? -order : order;
}

function matches(row) {
  if (state.status !== "all" && row[at.status] !== state.status) return false;
  if (state.range) {
    const score = row[at.score];
    const { from, until, last, lam } = state.range;
    if (score === null || score < from || (last ? score > until : score >= until)) return false;
    if (row[at.lam] !== lam) return false;
    if ((row[at.track] ?? null) !== null) return false; // the columns count videos
  }
  const text = `${row[at.path]} ${row[at.error] ?? ""}`.toLowerCase();
  return state.words.split(/\s+/).every((word) => text.includes(word));
}

function refresh() {
  shown = rows.filter(matches).sort(compare);
  drawn = 0;
  body.replaceChildren();
  drawMore();
  find("shown").textContent = `${shown.length.toLocaleString("en")} of ${rows.length.toLocaleString("en")} rows`;
  document.querySelectorAll("#table th").forEach((cell, i) => {
    const sorted = columns[i].key === state.key;
    cell.setAttribute("aria-sort", sorted ? (state.descending ? "descending" : "ascending") : "none");
    cell.querySelector("i").textContent = sorted ? (state.descending ? "▼" : "▲") : "";
  });
  document.querySelectorAll("[data-status]").forEach((button) => {
    button.setAttribute("aria-pressed", button.dataset.status === state.status);
  });
  find("clear-range").hidden = !state.range;
  if (state.range) find("clear-range").textContent = `score ${state.range.label} ✕`;
}

function drawMore() {
  const part = document.createDocumentFragment();
  for (const row of shown.slice(drawn, drawn + BATCH)) part.appendChild(tableRow(row));
  drawn = Math.min(shown.length, drawn + BATCH);
  body.appendChild(part);
  more.hidden = drawn >= shown.length;
}

function tableRow(row) {
  const line = document.createElement("tr");
  columns.forEach(({ key, kind }, i) => {
    const cell = line.insertCell();
    cell.className = kind;
    const value = row[i];
    if (value === null) return;
    const link = key === "path" && row[columns.length]; // the link stands behind the last column
    if (link) {
      const anchor = cell.appendChild(document.createElement("a"));
      anchor.href = link;
      anchor.textContent = value;
    } else {
      cell.textContent = kind === "number" ? Number(value.toPrecision(4)).toLocaleString("en", { maximumSignificantDigits: 6 }) : value;
    }
    if (key === "score") {
      cell.classList.add("share");
      cell.style.setProperty("--share", `${Math.max(0, (100 * value) / highest)}%`);
    }
    if (key === "error" && row[at.status] !== "scored") cell.dataset.failed = "";
  });
  return line;
}

function header() {
  const line = document.querySelector("#table thead tr");
  for (const { key, label, kind } of columns) {
    const cell = document.createElement("th");
    cell.scope = "col";
    cell.className = kind;
    const button = cell.appendChild(document.createElement("button"));
    button.type = "button";
    button.dataset.sort = key;
    button.append(label, document.createElement("i"));
    button.addEventListener("click", () => {
      state.descending = state.key === key ? !state.descending : kind === "number";
      state.key = key;
      refresh();
    });
    line.appendChild(cell);
  }
}

const more = find("table-box").appendChild(document.createElement("div"));
more.id = "more";
more.appendChild(document.createElement("button")).textContent = "more rows";
more.firstChild.addEventListener("click", drawMore);
new IntersectionObserver((seen) => seen[0].isIntersecting && drawMore(), { rootMargin: "600px" }).observe(more);

find("filter").addEventListener("input", (event) => {
  state.words = event.target.value.trim().toLowerCase();
  refresh();
});
document.querySelectorAll("[data-status]").forEach((button) => {
  button.addEventListener("click", () => {
    state.status = button.dataset.status;
    refresh();
  });
});
document.querySelectorAll("[data-from]").forEach((bar) => {
  const choose = () => {
    const { from, until, lam, label } = bar.dataset;
    state.range = { from: Number(from), until: Number(until), last: "last" in bar.dataset, lam: lam === "" ? null : Number(lam), label };
    refresh();
  };
  bar.addEventListener("click", choose);
  bar.addEventListener("keydown", (event) => event.key === "Enter" && choose());
});
find("clear-range").addEventListener("click", () => {
  state.range = null;
  refresh();
});

header();
refresh();
