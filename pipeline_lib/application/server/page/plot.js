// Tracks along a sequence as SVG: zoom, pan, hover, a base that is chosen.

const SPACE = "http://www.w3.org/2000/svg";
const GUTTER = 44, RIGHT = 12, TITLE = 20, HEIGHT = 62, GAP = 12, LETTERS = 40, COLOURS = 6;
const LETTER = 8, STRIP = 1.5, CLOSEST = 12;

function element(name, attributes, text) {
  const made = document.createElementNS(SPACE, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text; // never as HTML
  return made;
}

export function shown(value) {
  if (value === null || value === undefined) return "–";
  const size = Math.abs(value);
  return (size !== 0 && (size < 0.001 || size >= 100000) ? value.toExponential(2) : value.toFixed(3))
    .replace("-", "−");
}

function shortened(text, room) {
  return text.length <= room ? text : `${text.slice(0, room / 3)}…${text.slice(1 + room / 3 - room)}`;
}

function niceStep(span, most) {
  const rough = Math.max(span / most, 1), power = 10 ** Math.floor(Math.log10(rough));
  return [1, 2, 5, 10].map((k) => k * power).find((step) => step >= rough);
}

export class Plot {
  constructor(place, onPick, onHover) {
    Object.assign(this, { place, onPick, onHover, data: null, from: 0, to: 1, picked: null });
    new ResizeObserver(() => this.draw()).observe(place);
    place.addEventListener("pointerdown", (event) => this.grab(event));
    place.addEventListener("pointermove", (event) => this.move(event));
    place.addEventListener("pointerup", (event) => this.release(event));
    place.addEventListener("pointercancel", () => { this.held = null; });
    place.addEventListener("pointerleave", () => this.hover(null));
    place.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
  }

  get length() { return this.data ? this.data.sequence.length : 0; }
  get width() { return Math.max(this.place.clientWidth - GUTTER - RIGHT, 50); }
  get scale() { return this.width / (this.to - this.from); }
  x(base) { return GUTTER + (base - this.from) * this.scale; }
  baseAt(event) {
    const x = event.clientX - this.place.getBoundingClientRect().left;
    const base = Math.floor(this.from + (x - GUTTER) / this.scale);
    return base >= 0 && base < this.length && x >= GUTTER ? base : null;
  }

  set(data) {
    const other = !this.data || this.data.sequence.length !== data.sequence.length || data.fresh;
    this.data = data;
    if (other) { this.picked = null; this.show(0, this.length); } else this.draw();
  }

  show(from, to) {
    const span = Math.min(Math.max(to - from, Math.min(CLOSEST, this.length)), this.length);
    this.from = Math.min(Math.max((from + to - span) / 2, 0), this.length - span);
    this.to = this.from + span;
    this.draw();
  }
  zoom(factor, around = this.picked ?? (this.from + this.to) / 2) {
    const span = (this.to - this.from) * factor;
    const share = Math.min(Math.max((around - this.from) / (this.to - this.from), 0), 1);
    this.show(around - share * span, around + (1 - share) * span);
  }
  pan(share) {
    const by = (this.to - this.from) * share;
    const kept = Math.min(Math.max(by, -this.from), this.length - this.to);
    this.show(this.from + kept, this.to + kept);
  }
  pick(base) {
    this.picked = Math.min(Math.max(base, 0), this.length - 1);
    if (this.scale < LETTER) {
      const span = Math.min(this.width / 14, this.length);
      this.show(this.picked - span / 2, this.picked + span / 2);
    } else if (this.picked < this.from || this.picked + 1 > this.to) {
      const half = (this.to - this.from) / 2;
      this.show(this.picked - half, this.picked + half);
    } else this.draw();
    this.hover(this.picked);
    this.onPick(this.picked);
  }

  grab(event) { this.held = { x: event.clientX, from: this.from, moved: false }; }
  move(event) {
    if (!this.data) return;
    if (this.held && event.buttons) {
      const by = event.clientX - this.held.x;
      if (Math.abs(by) > 4) this.held.moved = true;
      if (this.held.moved) {
        const span = this.to - this.from;
        const from = Math.min(Math.max(this.held.from - by / this.scale, 0), this.length - span);
        this.show(from, from + span);
      }
    }
    this.hover(this.baseAt(event));
  }
  release(event) {
    const moved = this.held?.moved ?? true;
    this.held = null;
    const base = this.data && this.baseAt(event);
    if (!moved && base !== null) this.pick(base);
  }
  wheel(event) {
    if (!this.data) return;
    const aside = event.shiftKey ? event.deltaY : event.deltaX;
    if (event.ctrlKey || event.metaKey) {
      event.preventDefault();
      this.zoom(Math.exp(Math.min(Math.max(event.deltaY, -60), 60) / 120), this.baseAt(event) ?? undefined);
    } else if (aside) {
      event.preventDefault();
      this.pan(aside / this.width);
    }
  }

  hover(base) {
    if (!this.svg || !this.data) return;
    this.line.setAttribute("visibility", base === null ? "hidden" : "visible");
    if (base !== null) {
      const x = this.x(base + 0.5);
      this.line.setAttribute("x1", x);
      this.line.setAttribute("x2", x);
    }
    const values = this.data.tracks.map((track) => this.valueAt(track, track.values, base));
    values.forEach((value, i) => { this.labels[i].textContent = value === undefined ? "" : shown(value); });
    this.onHover(base, values);
  }
  valueAt(track, values, base) {
    if (base === null) return undefined;
    const at = Math.floor((base - track.offset) / track.step);
    return at >= 0 && at < values.length ? values[at] : undefined;
  }

  draw() {
    if (!this.data || !this.place.clientWidth) return;
    const { tracks } = this.data, row = TITLE + HEIGHT + GAP;
    const height = tracks.length * row + LETTERS + 18, width = this.place.clientWidth;
    const svg = element("svg", { viewBox: `0 0 ${width} ${height}`, height, "aria-hidden": "true" });
    if (this.picked !== null) {
      const wide = Math.max(this.scale, 2);
      if (this.x(this.picked) >= GUTTER - 1 && this.x(this.picked) < width) {
        svg.append(element("rect", { class: "pick", x: this.x(this.picked), y: 0, width: wide, height: height - 18 }));
      }
    }
    const clip = element("clipPath", { id: "inside" });
    clip.append(element("rect", { x: GUTTER, y: 0, width: this.width, height }));
    svg.append(clip);
    this.labels = tracks.map((track, i) => this.drawTrack(svg, track, i, i * row));
    this.drawLetters(svg, tracks.length * row);
    this.line = element("line", { class: "cursor", y1: 0, y2: height - 18, visibility: "hidden" });
    svg.append(this.line);
    this.svg = svg;
    this.place.replaceChildren(svg);
  }

  drawTrack(svg, track, i, top) {
    const colour = `var(--t${i % COLOURS})`, low = top + TITLE + HEIGHT;
    const [least, most] = track.range;
    const y = (value) => low - ((value - least) / (most - least)) * HEIGHT;
    const room = Math.floor((this.width - 60) / 7.2);
    const title = track.title.length <= room ? track.title : shortened(track.name, room);
    const text = element("text", { class: "title", x: GUTTER, y: top + 13 }, title);
    text.append(element("title", {}, track.title));
    const label = element("text", { class: "value", x: GUTTER + this.width, y: top + 13 });
    svg.append(text, label);
    for (const value of [least, (least + most) / 2, most]) {
      svg.append(element("line", { class: "grid", x1: GUTTER, x2: GUTTER + this.width, y1: y(value), y2: y(value) }));
    }
    svg.append(element("text", { class: "limit", x: GUTTER - 6, y: low }, tidy(least)));
    svg.append(element("text", { class: "limit", x: GUTTER - 6, y: low - HEIGHT + 8 }, tidy(most)));
    const group = element("g", { "clip-path": "url(#inside)" });
    const ground = y(Math.max(least, 0));
    const [line, area] = this.curve(track, track.values, y, ground);
    group.append(element("path", { class: "under", d: area, fill: colour }));
    if (track.original && track.original !== track.values) {
      group.append(element("path", { class: "original", d: this.curve(track, track.original, y, ground)[0] }));
    }
    group.append(element("path", { class: "curve", d: line, stroke: colour }));
    svg.append(group);
    return label;
  }

  // Points of a track; of many values on one pixel the least and the greatest.
  curve(track, values, y, ground) {
    const first = Math.max(Math.floor((this.from - track.offset) / track.step) - 1, 0);
    const last = Math.min(Math.ceil((this.to - track.offset) / track.step) + 2, values.length);
    const each = Math.max(Math.floor((last - first) / this.width), 1);
    const runs = [[]];
    for (let i = first; i < last; i += each) {
      const some = values.slice(i, Math.min(i + each, last)).filter((value) => value !== null);
      if (!some.length) { if (runs.at(-1).length) runs.push([]); continue; }
      const x = this.x(track.offset + (i + (each - 1) / 2) * track.step + track.middle);
      const low = Math.min(...some), high = Math.max(...some);
      runs.at(-1).push([x, y(low)]);
      if (high !== low) runs.at(-1).push([x, y(high)]);
    }
    const whole = runs.filter((run) => run.length);
    const path = (run) => run.map(([x, h], i) => `${i ? "L" : "M"}${x.toFixed(1)} ${h.toFixed(1)}`).join("");
    // A value without neighbours is a line from the ground.
    const line = whole.map((run) => (run.length > 1 ? path(run) : `${path(run)}L${run[0][0].toFixed(1)} ${ground}`)).join("");
    const area = whole.map((run) => `${path(run)}L${run.at(-1)[0].toFixed(1)} ${ground}L${run[0][0].toFixed(1)} ${ground}Z`);
    return [line, area.join("")];
  }

  drawLetters(svg, top) {
    const { sequence, start, mutations } = this.data, scale = this.scale;
    const first = Math.max(Math.floor(this.from), 0), last = Math.min(Math.ceil(this.to), this.length);
    const group = element("g", { "clip-path": "url(#inside)" });
    for (let i = first; scale >= STRIP && i < last; i += 1) {
      const letter = sequence[i], x = this.x(i);
      if (scale >= LETTER) {
        group.append(element("text", { class: `letter ${letter}`, x: x + scale / 2, y: top + 12, "data-base": i + 1 }, letter));
      } else group.append(element("rect", { class: `strip ${letter}`, x, y: top + 3, width: scale, height: 9 }));
    }
    for (const [place, was] of mutations) {
      const x = this.x(place + 0.5);
      group.append(element("path", { class: "mark", d: `M${x} ${top - 3}l-4 -6h8z` }));
      if (scale >= LETTER) group.append(element("text", { class: "was", x, y: top + 24 }, was));
    }
    svg.append(group);
    const step = niceStep(this.to - this.from, this.width / 90), low = top + 28;
    svg.append(element("line", { class: "axis", x1: GUTTER, x2: GUTTER + this.width, y1: low, y2: low }));
    for (let at = Math.ceil((first + start + 1) / step) * step; at <= last + start; at += step) {
      const x = this.x(at - start - 0.5);
      if (x < GUTTER || x > GUTTER + this.width) continue;
      svg.append(element("line", { class: "axis", x1: x, x2: x, y1: low, y2: low + 5 }));
      const text = at.toLocaleString("en"), half = text.length * 3.2;
      const middle = Math.min(x, GUTTER + this.width + RIGHT - half);
      svg.append(element("text", { class: "tick", x: middle, y: low + 18, "text-anchor": "middle" }, text));
    }
  }
}

function tidy(value) {
  const text = Number(value.toPrecision(2));
  return (Math.abs(text) < 0.001 && text ? text.toExponential(0) : text.toLocaleString("en", { maximumSignificantDigits: 2 }))
    .replace("-", "−");
}
