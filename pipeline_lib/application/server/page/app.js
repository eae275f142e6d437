// The page: asks the server, keeps what was mutated, shows and downloads it.
// Text of others (names of records, models, tracks) is only ever set as text, never as HTML.

import { asBedGraph, asFasta, asTsv, save } from "/files.js";
import { Plot, shown } from "/plot.js";

const by = (id) => document.getElementById(id);
const BASES = ["A", "C", "G", "T"];
const PAIRS = { A: "T", C: "G", G: "C", T: "A", N: "N" };
const MOST_TRACKS = 12;
const EXAMPLE = ">example\n" +
  "TTGACCATAATCGGCTTAACGTCCGATTCAAGGCTTTACGGAACTCTTAGCGTATCCAGATTTGCACTAAGGTC\n" +
  "ACCTTGGAATACTCAAGCAATAACAAAATGTCTGGTAAGCCAGTTTTGCAGGCTCTTATCCGAGATCTGTTAAC\n" +
  "CGGTTACAGAACCTTCGATGTTAAGTATCCTGGGCATATTCGGACTCAATCGGCCATACATTGCGATAAACTTG\n" +
  "TCTAGGACCTATAAAAAATGTCAAGAGGTTCTGCTGAAGAATTGCCATGGACTGTCAAACTAGCTCGTTGGATC\n" +
  "AGCTCATTGGCTACGATTCAGAATCCTTAGCCATGGTTCAACGTAACTTGGCCTATTAGACGATC";

let about = { models: [], genome: null, limits: {} };
let state = null; // name, start, original, sequence, tracks, history
let asking = null, peeking = null; // what can be called off
let fitted = false; // whether tracks of probabilities are stretched too
let mutating = null; // what must not be
const plot = new Plot(by("plot"), pickBase, readOut);

function make(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key in made && typeof value !== "string") made[key] = value;
    else made.setAttribute(key, value);
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}

function say(text, bad = false) {
  by("message").textContent = text;
  by("message").classList.toggle("bad", bad);
  if (bad) by("message").scrollIntoView({ block: "nearest" });
}

// A glance at a base calls off another glance; all else calls off whatever is under way.
async function ask(path, question, glance = false) {
  peeking?.abort();
  if (!glance) asking?.abort();
  const own = new AbortController();
  if (glance) peeking = own; else asking = own;
  by("plot").classList.add("busy");
  try {
    const options = question
      ? { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(question) }
      : {};
    const answer = await fetch(path, { ...options, signal: own.signal });
    const content = await answer.json().catch(() => ({ error: "The server's answer is not understood." }));
    if (!answer.ok) throw new Error(content.error);
    return content;
  } finally {
    if (asking === own) asking = null;
    if (peeking === own) peeking = null;
    if (!asking && !peeking) by("plot").classList.remove("busy");
  }
}

// Runs what a button does; a failure is a sentence, and what was called off is silent.
async function run(work) {
  try {
    await work();
    return false;
  } catch (error) {
    if (error.name === "AbortError") return false;
    say(error instanceof TypeError ? `The server cannot be reached (${error.message}).` : error.message, true);
    return true;
  }
}

// ---------------------------------------------------------------- models

function listModels() {
  for (const model of about.models) {
    const check = make("input", { type: "checkbox", checked: true, "data-model": model.name });
    const many = model.outputs.length > 1;
    const outputs = many ? outputList(model) : null;
    by("models").append(make("div", { class: "model" }, make("label", {}, check, ` ${model.name}`), outputs));
    by("says").append(make("li", {}, make("b", {}, model.name), `: ${model.says}`));
  }
  by("genome").hidden = !about.genome;
  if (about.genome) {
    const [first] = Object.entries(about.genome.contigs);
    const end = Math.min(first[1], 1500);
    by("region").placeholder = `${first[0]}:${Math.max(end - 599, 1)}-${end}`;
    const names = Object.keys(about.genome.contigs).slice(0, 4).join(", ");
    by("contigs").textContent = `${about.genome.count} contig${about.genome.count > 1 ? "s" : ""}: ${names}${about.genome.count > 4 ? ", …" : ""}`;
  }
}

function outputList(model) {
  const list = make("div", { class: "outputs" });
  for (const output of model.outputs) {
    const check = make("input", { type: "checkbox", checked: model.shown.includes(output),
      "data-of": model.name, "data-output": output });
    list.append(make("label", {}, check, ` ${output}`));
  }
  const summary = make("summary", {}, `${model.outputs.length} tracks`);
  const details = make("details", {}, summary);
  if (model.outputs.length > 8) {
    const search = make("input", { type: "search", placeholder: "find a track", "aria-label": "Find a track" });
    search.addEventListener("input", () => {
      const wanted = search.value.toLowerCase();
      for (const label of list.children) label.hidden = !label.textContent.toLowerCase().includes(wanted);
    });
    details.append(search);
  }
  details.append(list);
  return details;
}

function chosen() {
  const models = [...document.querySelectorAll("[data-model]:checked")].map((one) => one.dataset.model);
  if (!models.length) throw new Error("Choose a model.");
  const outputs = {};
  let count = 0;
  for (const name of models) {
    const boxes = [...document.querySelectorAll("[data-of]:checked")].filter((one) => one.dataset.of === name);
    if (boxes.length) outputs[name] = boxes.map((one) => one.dataset.output);
    count += Math.max(boxes.length, 1);
  }
  if (count > MOST_TRACKS) throw new Error(`${count} tracks are chosen; ${MOST_TRACKS} can be shown at a time.`);
  return { models, outputs };
}

// ---------------------------------------------------------------- tracks

async function showTracks(question) {
  const what = chosen(), begun = performance.now();
  say("Reading …");
  by("show").disabled = true;
  try {
    const found = await ask("/api/tracks", { ...question, ...what });
    state = { name: found.name, start: found.start, original: found.sequence, sequence: found.sequence,
      asked: what, tracks: found.models.flatMap(tracksOf), history: [] };
    by("view").hidden = false;
    by("base").hidden = true;
    by("changed").hidden = true;
    refresh(true);
    const seconds = ((performance.now() - begun) / 1000).toFixed(1);
    say(`${found.sequence.length.toLocaleString("en")} bases in ${seconds} s.`);
    by("view").scrollIntoView({ block: "nearest" });
  } finally {
    by("show").disabled = false;
  }
}

function tracksOf(model) {
  const known = about.models.find((one) => one.name === model.name);
  return model.tracks.map((track) => {
    const title = known.outputs.length > 1 ? `${model.name} · ${track.output}` : model.name;
    const bins = known.kind === "tracks" || known.kind === "bases";
    return { model: model.name, output: track.output, name: title, title: `${title} (${known.unit})`,
      offset: model.offset, step: model.step, middle: bins ? model.step / 2 : 0.5,
      values: track.values, original: track.values, fixed: known.range, range: known.range };
  });
}

function refresh(fresh = false) {
  for (const track of state.tracks) {
    track.range = track.fixed;
    if (track.fixed && !fitted) continue;
    const all = [...track.values, ...track.original].filter((value) => value !== null);
    const most = all.reduce((a, b) => Math.max(a, b), 0), least = all.reduce((a, b) => Math.min(a, b), 0);
    track.range = most > least ? [least, most] : [0, 1];
  }
  const mutations = new Map();
  for (let i = 0; i < state.sequence.length; i += 1) {
    if (state.sequence[i] !== state.original[i]) mutations.set(i, state.original[i]);
  }
  const where = state.start ? ` from base ${(state.start + 1).toLocaleString("en")}` : "";
  by("name").textContent = `${state.name || "sequence"}${where}, ${state.sequence.length.toLocaleString("en")} bases` +
    (mutations.size ? `, ${mutations.size} mutated` : "");
  by("undo").disabled = !state.history.length;
  by("history").textContent = state.history.length
    ? `Mutations: ${state.history.map((one) => one.label).join(", ")}` : "";
  plot.set({ sequence: state.sequence, start: state.start, tracks: state.tracks, mutations, fresh });
}

function readOut(base, values) {
  if (base === null) { by("readout").textContent = ""; return; }
  const parts = state.tracks.map((track, i) => (values[i] === undefined ? null : `${track.title}: ${shown(values[i])}`));
  by("readout").textContent = [`Base ${place(base)} ${state.sequence[base]}`, ...parts.filter(Boolean)].join("   ");
}

const place = (base) => (state.start + base + 1).toLocaleString("en");

// ---------------------------------------------------------------- mutations

function question(base) {
  return { sequence: state.sequence, position: base + 1, ...state.asked };
}

function pickBase(base) {
  by("base").hidden = false;
  by("which").textContent = `Base ${place(base)} is ${state.sequence[base]}. What if it were …`;
  choices(base, null);
  const of = state;
  run(async () => {
    await mutating;
    await new Promise((resolve) => { setTimeout(resolve, 150); }); // who runs along asks nothing
    if (plot.picked !== base || state !== of) return;
    const found = await ask("/api/substitutions", question(base), true);
    if (plot.picked === base && state === of) choices(base, found.models);
  }).then((failed) => { if (failed && plot.picked === base) choices(base, []); });
}

function choices(base, models) {
  const own = state.sequence[base];
  const heads = BASES.map((letter) => {
    const button = make("button", { type: "button", class: letter, "data-to": letter, disabled: letter === own,
      "aria-pressed": String(letter === own), "aria-label": `Mutate base ${place(base)} to ${letter}` }, letter);
    button.addEventListener("click", () => run(() => mutate(base, letter)));
    return make("th", {}, button);
  });
  const rows = (models ?? []).flatMap((model) => [
    make("tr", { class: "what" }, make("th", { colspan: "4" }, `${model.name}: ${model.of}`)),
    make("tr", { class: "values" }, ...BASES.map((letter) => change(model.scores[letter])))]);
  if (!models) rows.push(make("tr", { class: "what" }, make("th", { colspan: "4" }, "reading …")));
  const head = make("thead", {}, make("tr", {}, ...heads));
  const focused = document.activeElement?.dataset?.to;
  by("choices").replaceChildren(head, make("tbody", {}, ...rows));
  if (focused) by("choices").querySelector(`[data-to="${focused}"]`)?.focus();
  by("meaning").textContent = models
    ? "Above 0: the model prefers this base to the one that is there, or the track changes most upwards." : "";
}

function change(value) {
  const kind = value > 0 ? "up" : value < 0 ? "down" : "";
  const text = value === undefined || value === null ? "–" : `${value > 0 ? "+" : ""}${shown(value)}`;
  return make("td", { class: kind }, text);
}

async function mutate(base, letter) {
  if (mutating || state.sequence[base] === letter) return;
  let done;
  mutating = new Promise((resolve) => { done = resolve; });
  try {
    await mutateNow(base, letter);
  } finally {
    mutating = null;
    done();
  }
  pickBase(base);
}

async function mutateNow(base, letter) {
  const from = state.sequence[base];
  const found = await ask("/api/mutate", { ...question(base), base: letter });
  const patches = found.models.flatMap((model) => model.tracks.map((track) => ({ model, track })));
  state.history.push({ base, from, label: `${from}${state.start + base + 1}${letter}`, values: state.tracks.map((t) => t.values) });
  for (const { model, track } of patches) {
    const own = state.tracks.find((one) => one.model === model.name && one.output === track.output);
    own.values = [...own.values];
    own.values.splice(model.first, track.after.length, ...track.after);
  }
  state.sequence = state.sequence.slice(0, base) + letter + state.sequence.slice(base + 1);
  say(`Base ${place(base)}: ${from} is now ${letter}.`);
  refresh();
  changes(found, patches);
}

function changes(found, patches) {
  by("changed").hidden = false;
  by("what").textContent = `What ${found.from}${state.start + found.position}${found.to} changes, where it changes most`;
  const cell = (text) => make("td", {}, text);
  const heads = ["at base", "before", "after", "change"].map((text) => make("th", {}, text));
  const head = make("thead", {}, make("tr", {}, ...heads));
  const rows = patches.flatMap(({ model, track }) => {
    const at = track.at === null ? null : track.at - model.first;
    const own = state.tracks.find((one) => one.model === model.name && one.output === track.output);
    return [make("tr", { class: "what" }, make("th", { colspan: "4" }, own.title)),
      make("tr", { class: "values", "data-track": `${model.name}|${track.output}` },
        cell(at === null ? "–" : place(model.offset + track.at * model.step)),
        cell(at === null ? "–" : shown(track.before[at])),
        cell(at === null ? "–" : shown(track.after[at])),
        change(track.change))];
  });
  by("changes").replaceChildren(head, make("tbody", {}, ...rows));
}

function undo() {
  if (mutating) return;
  const last = state?.history.pop();
  if (!last) return;
  peeking?.abort();
  state.tracks.forEach((track, i) => { track.values = last.values[i]; });
  state.sequence = state.sequence.slice(0, last.base) + last.from + state.sequence.slice(last.base + 1);
  by("changed").hidden = true;
  say(`${last.label} is undone.`);
  refresh();
  if (plot.picked !== null) pickBase(plot.picked);
}

// ---------------------------------------------------------------- wiring

function theme(name) { document.documentElement.dataset.theme = name; }

function wire() {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  theme(dark.matches ? "dark" : "light");
  dark.addEventListener("change", () => theme(dark.matches ? "dark" : "light"));
  by("theme").addEventListener("click", () => theme(document.documentElement.dataset.theme === "dark" ? "light" : "dark"));
  by("ask").addEventListener("submit", (event) => {
    event.preventDefault();
    const region = by("region").value.trim(), sequence = by("sequence").value.trim();
    run(() => showTracks(sequence || !region ? { sequence } : { region }));
  });
  by("region").addEventListener("input", () => { if (by("region").value) by("sequence").value = ""; });
  by("example").addEventListener("click", () => {
    if (about.genome) { by("sequence").value = ""; by("region").value = by("region").placeholder; }
    else by("sequence").value = EXAMPLE;
    by("ask").requestSubmit();
  });
  const clicks = { left: () => plot.pan(-0.4), right: () => plot.pan(0.4), in: () => plot.zoom(0.5),
    fit: () => {
      fitted = !fitted;
      by("fit").setAttribute("aria-pressed", String(fitted));
      refresh();
    },
    out: () => plot.zoom(2), whole: () => plot.show(0, plot.length), undo,
    turn: () => run(() => showTracks({ sequence: `>${state.name} reverse complement\n` +
      [...state.sequence].reverse().map((letter) => PAIRS[letter]).join("") })),
    tsv: () => save("tracks.tsv", asTsv(state)), bedgraph: () => save("tracks.bedgraph", asBedGraph(state)),
    fasta: () => save("sequence.fa", asFasta(state)) };
  for (const [id, work] of Object.entries(clicks)) by(id).addEventListener("click", work);
  by("plot").addEventListener("keydown", keyed);
}

function keyed(event) {
  if (!state || event.altKey || (event.ctrlKey && event.key !== "z") || event.metaKey) return;
  const now = plot.picked ?? Math.floor((plot.from + plot.to) / 2), by10 = event.shiftKey ? 10 : 1;
  const letter = event.key.toUpperCase();
  const moves = { ArrowLeft: () => plot.pick(now - by10), ArrowRight: () => plot.pick(now + by10),
    Home: () => plot.pick(0), End: () => plot.pick(plot.length - 1), "+": () => plot.zoom(0.5),
    "=": () => plot.zoom(0.5), "-": () => plot.zoom(2), 0: () => plot.show(0, plot.length), z: undo, Z: undo };
  if (event.key in moves) moves[event.key]();
  else if (BASES.includes(letter) && plot.picked !== null) run(() => mutate(plot.picked, letter));
  else return;
  event.preventDefault();
}

wire();
run(async () => { about = await ask("/api/models"); listModels(); });
