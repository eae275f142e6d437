// Files to download, made in the browser: nothing is asked of the server.

export function save(name, text) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/plain" }));
  link.download = name;
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

const word = (text) => (text.split(/\s/)[0] || "sequence").replace(/[^\w.|:-]/g, "_").slice(0, 60);

export function asTsv(state) {
  const clean = (text) => text.replace(/\s/g, " ");
  const head = ["position", "base", "original", ...state.tracks.map((track) => clean(`${track.model}|${track.output}`))];
  const lines = [...state.sequence].map((letter, i) => [state.start + i + 1, letter, state.original[i],
    ...state.tracks.map((track) => valueAt(track, i))].join("\t"));
  return `${[head.join("\t"), ...lines].join("\n")}\n`;
}

function valueAt(track, base) {
  const at = (base - track.offset) / track.step;
  const index = track.middle === 0.5 && !Number.isInteger(at) ? -1 : Math.floor(at);
  return track.values[index] ?? "NA";
}

export function asBedGraph(state) {
  const contig = word(state.name);
  const lines = [];
  for (const track of state.tracks) {
    lines.push(`track type=bedGraph name="${`${track.model} ${track.output}`.replace(/["\s]/g, " ")}"`);
    track.values.forEach((value, i) => {
      const from = track.offset + i * track.step, to = Math.min(from + track.step, state.sequence.length);
      if (value !== null) lines.push([contig, state.start + from, state.start + to, value].join("\t"));
    });
  }
  return `${lines.join("\n")}\n`;
}

export function asFasta(state) {
  const labels = state.history.map((one) => one.label).join(" ");
  const lines = state.sequence.match(/.{1,60}/g);
  return `>${word(state.name)}${labels ? `_mutated ${labels}` : ""}\n${lines.join("\n")}\n`;
}
