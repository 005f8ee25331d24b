"use strict";
(() => {
  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const at = (id) => document.getElementById(id);
  const page = read("data"), drawing = read("document");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  // The colours of the sources, in their order.
  const ofSources = () => dark.matches ? drawing.sources_dark : drawing.sources_light;
  const KINDS = { u1: Uint8Array, u2: Uint16Array, u4: Uint32Array };
  const ROW = 30, LISTED = 200, COLUMNS = 700, LEAST = 1000, NARROW = 2.5;
  const count = (n) => n.toLocaleString("en-GB");

  const unpack = ([kind, text]) => {
    const bytes = atob(text), found = new Uint8Array(bytes.length);
    for (let i = 0; i < bytes.length; i++) found[i] = bytes.charCodeAt(i);
    return new KINDS[kind](found.buffer);
  };
  const named = (told) => {
    if (told.all) return (k) => told.all[k];
    if (!told.begins) return null;
    const begin = unpack(told.begin), number = unpack(told.number);
    return (k) => `${told.begins[begin[k]]}_${String(number[k]).padStart(4, "0")}`;
  };
  // A sequence is unpacked when it is first shown.
  const opened = new Map();
  const open = (i) => {
    if (opened.has(i)) return opened.get(i);
    const told = page.chroms[i], s = told.segments, found = {
      name: told.name, length: told.length, windows: told.windows, gaps: told.gaps,
      frequencies: unpack(told.frequencies), names: named(s.names), byRow: new Map(), truthByRow: new Map(),
      truth: { row: unpack(told.truth.row), start: unpack(told.truth.start), end: unpack(told.truth.end) },
      posteriors: null,
    };
    for (const name of ["row", "start", "end", "posterior", "sites", "match", "source"]) found[name] = unpack(s[name]);
    const into = (map, rows) => rows.forEach((row, k) => { if (!map.has(row)) map.set(row, []); map.get(row).push(k); });
    into(found.byRow, found.row);
    into(found.truthByRow, found.truth.row);
    if (told.posteriors) found.posteriors = { ...told.posteriors, values: unpack(told.posteriors.values) };
    opened.set(i, found);
    return found;
  };

  const views = drawing.roots;
  Bokeh.embed.embed_items({ page: drawing.document }, [{ docid: "page", roots: views, root_ids: Object.keys(views) }]).then?.(begin) ?? begin();

  function begin() {
    const doc = Bokeh.documents[0], model = (name) => doc.get_model_by_name(name);
    const along = model("along"), rows = model("rows"), down = model("down");
    const state = { chrom: 0, group: 0, name: "", only: false, count: 20, first: 0, from: 0, to: 1 };

    const models = () => { const all = new Set(); for (const root of doc.roots()) for (const one of root.references()) all.add(one); return all; };
    const paint = () => {
      const style = getComputedStyle(document.documentElement), of = (name) => style.getPropertyValue(name).trim();
      const ink = of("--ink"), soft = of("--soft"), line = of("--line");
      for (const one of models()) {
        const set = {};
        for (const name of ["major_label_text_color", "axis_label_text_color", "label_text_color", "text_color"]) if (name in one.properties) set[name] = name.startsWith("major") ? soft : ink;
        for (const name of ["axis_line_color", "major_tick_line_color", "grid_line_color"]) if (name in one.properties && one[name] != null) set[name] = line;
        one.setv(set);
      }
      const shades = model("shades");
      if (shades) shades.palette = dark.matches ? drawing.shades_dark : drawing.shades_light;
      model("dots").glyph.fill_color = dark.matches ? drawing.dot_dark : drawing.dot_light;
      ofSources().forEach((colour, i) => { model(`bars of lengths ${i}`).glyph.fill_color = colour; });
      const tracts = model("true tracts");
      if (tracts) tracts.glyph.line_color = ink;
      const other = model("line chosen");
      if (other) other.glyph.line_color = ink;
    };
    dark.addEventListener("change", () => { paint(); later(); });

    // --- what is chosen
    for (const [i, chrom] of page.chroms.entries()) at("chrom").add(new Option(chrom.name, String(i)));
    for (const [i, group] of page.groups.entries()) at("group").add(new Option(`${group.name} (${count(group.size)})`, String(i)));

    const fits = (from, to) => {
      const length = open(state.chrom).length, width = Math.min(Math.max(Math.round(to - from), Math.min(LEAST, length)), length);
      const start = Math.max(0, Math.min(Math.round((from + to - width) / 2), length - width));
      return [start, start + width];
    };
    let waiting = false, moving = false;
    const move = (from, to) => {
      [state.from, state.to] = fits(from, to);
      moving = true;
      along.setv({ start: state.from / 1e6, end: state.to / 1e6 });
      moving = false;
      later();
    };
    const later = () => {
      if (waiting) return;
      waiting = true;
      requestAnimationFrame(() => { waiting = false; draw(); });
    };
    const zoom = (by) => { const half = (state.to - state.from) / by / 2, middle = (state.from + state.to) / 2; move(middle - half, middle + half); };
    const step = (by) => { const width = (state.to - state.from) * by; move(state.from + width, state.to + width); };
    const whole = () => move(0, open(state.chrom).length);
    // A stretch that was marked with the mouse.
    const marked = () => { if (!moving) move(along.start * 1e6, along.end * 1e6); };
    along.properties.start.change.connect(() => queueMicrotask(marked));

    const region = () => {
      const field = at("region"), text = field.value.trim().replaceAll(",", "").replaceAll(" ", "");
      const cut = text.lastIndexOf(":"), span = text.slice(cut + 1);
      let chrom = state.chrom;
      if (cut >= 0) chrom = page.chroms.findIndex((one) => one.name === text.slice(0, cut));
      const found = /^(\d+)(?:-|–|\.\.)(\d+)$/.exec(span);
      const bad = chrom < 0 ? "There are no tracks of this sequence." : !found || +found[1] < 1 || +found[2] < +found[1] ? "This is no region such as 1,000,001-2,000,000." : +found[1] > open(chrom).length ? "This lies beyond the end of the sequence." : "";
      field.setCustomValidity(bad);
      field.reportValidity();
      if (bad) return;
      choose(chrom);
      move(+found[1] - 1, +found[2]);
    };
    const choose = (chrom) => { if (chrom !== state.chrom) { state.chrom = chrom; state.first = 0; at("chrom").value = String(chrom); whole(); } };

    const on = (id, kind, act) => at(id).addEventListener(kind, act);
    on("controls", "submit", (event) => event.preventDefault());
    on("chrom", "change", () => choose(+at("chrom").value));
    on("group", "change", () => { state.group = +at("group").value; state.first = 0; lengths(); later(); });
    on("region", "change", region);
    on("region", "input", () => at("region").setCustomValidity(""));
    on("name", "input", () => { state.name = at("name").value.trim().toLowerCase(); state.first = 0; later(); });
    on("only", "change", () => { state.only = at("only").checked; state.first = 0; later(); });
    on("count", "change", () => { state.count = +at("count").value; later(); });
    on("before", "click", () => { state.first = Math.max(0, state.first - state.count); later(); });
    on("after", "click", () => { state.first += state.count; later(); });
    on("in", "click", () => zoom(2)); on("out", "click", () => zoom(0.5)); on("whole", "click", whole);
    on("left", "click", () => step(-0.4)); on("right", "click", () => step(0.4));
    const keys = { "+": () => zoom(2), "=": () => zoom(2), "-": () => zoom(0.5), ArrowLeft: () => step(-0.4), ArrowRight: () => step(0.4), Home: whole };
    on("tracks", "keydown", (event) => {
      if (event.target !== at("tracks") || event.ctrlKey || event.metaKey || event.altKey || !(event.key in keys)) return;
      event.preventDefault();
      keys[event.key]();
    });
    on("listing", "toggle", later);
    // Names are cut, and narrow segments widened, by the width there is.
    addEventListener("resize", later);

    // --- drawing
    const inView = (one, k) => one.start[k] < state.to && one.end[k] > state.from;
    const chosen = (seq) => page.haplotypes.map((one, i) => i).filter((i) => {
      const one = page.haplotypes[i];
      return one.groups.includes(state.group) && (!state.name || one.name.toLowerCase().includes(state.name)) &&
        (!state.only || (seq.byRow.get(i) ?? []).some((k) => inView(seq, k)));
    });
    const steps = (seq, row, top, height) => {
      const { n, size, values } = seq.posteriors, first = Math.max(0, Math.floor(state.from / size)), last = Math.min(n, Math.ceil(state.to / size));
      const by = Math.max(1, Math.ceil((last - first) / COLUMNS)), xs = [state.from / 1e6], ys = [top + height];
      let end = state.from;
      for (let i = first; i < last; i += by) {
        let highest = 0;
        for (let k = i; k < Math.min(i + by, last); k++) highest = Math.max(highest, values[row * n + k]);
        const y = top + height * (1 - Math.max(0, highest - 1) / drawing.steps), to = Math.min((i + by) * size, seq.length, state.to), from = Math.max(i * size, state.from);
        xs.push(from / 1e6, to / 1e6);
        ys.push(y, y);
        end = to;
      }
      xs.push(end / 1e6);
      ys.push(top + height);
      return [xs, ys];
    };
    const short = (text) => { const most = innerWidth < 600 ? 12 : 17; return text.length > most ? `${text.slice(0, most - 1)}…` : text; };
    const drawn = (text) => text.replaceAll("$$", "$\u200b$").replaceAll("\\(", "\\\u200b(").replaceAll("\\[", "\\\u200b[");

    const draw = () => {
      if (!page.chroms.length) { at("status").textContent = "There is no segment, and nothing to draw along a sequence."; return; }
      const seq = open(state.chrom), listed = chosen(seq), shown = [];
      if (state.first >= listed.length) state.first = Math.max(0, Math.floor((listed.length - 1) / state.count) * state.count);
      const here = listed.slice(state.first, state.first + state.count);
      const colours = ofSources();
      // What is narrower than this could not be seen.
      const least = (state.to - state.from) * NARROW / Math.max(innerWidth - 190, 200);
      const wide = (start, end) => { const more = Math.max(0, least - (end - start)) / 2; return [(start - more) / 1e6, (end + more) / 1e6]; };
      const bars = { left: [], right: [], top: [], bottom: [], colour: [], who: [], where: [], what: [], source: [], posterior: [], sites: [] };
      const areas = { xs: [], ys: [] }, tracts = { left: [], right: [], top: [], bottom: [] }, labels = new Map();
      here.forEach((row, turn) => {
        const name = page.haplotypes[row].name;
        labels.set(turn + 0.5, drawn(short(name)));
        if (seq.posteriors) { const [xs, ys] = steps(seq, row, turn + 0.06, 0.5); areas.xs.push(xs); areas.ys.push(ys); }
        for (const k of seq.byRow.get(row) ?? []) {
          if (!inView(seq, k)) continue;
          shown.push([row, k]);
          const source = page.sources[seq.source[k]];
          const [left, right] = wide(seq.start[k], seq.end[k]);
          bars.left.push(left); bars.right.push(right); bars.top.push(turn + 0.62); bars.bottom.push(turn + 0.88);
          bars.colour.push(colours[seq.source[k]]); bars.who.push(name); bars.source.push(source);
          bars.where.push(`${count(seq.start[k])}-${count(seq.end[k])}`); bars.what.push(seq.names?.(k) ?? source);
          bars.posterior.push((seq.posterior[k] / 1e4).toFixed(4)); bars.sites.push(`${seq.match[k]} of ${seq.sites[k]} match`);
        }
        for (const k of seq.truthByRow.get(row) ?? []) if (inView(seq.truth, k)) {
          const [left, right] = wide(seq.truth.start[k], seq.truth.end[k]);
          tracts.left.push(left); tracts.right.push(right); tracts.top.push(turn + 0.58); tracts.bottom.push(turn + 0.92);
        }
      });
      model("segments").data = bars;
      if (model("posteriors")) model("posteriors").data = areas;
      if (model("truth")) model("truth").data = tracts;
      const axis = rows.left[0];
      axis.ticker.ticks = [...labels.keys()];
      axis.major_label_overrides = labels;
      down.setv({ start: Math.max(here.length, 1), end: 0 });
      rows.height = 90 + ROW * Math.max(here.length, 2);
      const per = page.window, n = seq.windows, first = Math.max(0, Math.floor(state.from / per)), last = Math.min(n, Math.ceil(state.to / per));
      let highest = 0;
      const line = (group) => {
        const x = [], y = [];
        for (let i = first; i < last; i++) {
          const value = seq.frequencies[group * n + i] / 1e4;
          highest = Math.max(highest, value);
          x.push(i * per / 1e6, Math.min((i + 1) * per, seq.length) / 1e6);
          y.push(value, value);
        }
        return { x, y };
      };
      for (let i = 0; i < page.groups.length; i++) {
        const source = model(`frequency ${i}`);
        if (!source) break;
        source.data = line(i);
        model(`line ${i}`).glyph.line_alpha = state.group === 0 || state.group === i || i === 0 ? 1 : 0.3;
      }
      const other = model("frequency chosen");
      if (other) other.data = state.group && !model(`frequency ${state.group}`) ? line(state.group) : { x: [], y: [] };
      model("frequencies").end = highest ? Math.min(highest * 1.08, 1.02) : 0.1;
      model("gaps source").data = { left: seq.gaps.map((g) => g[0] / 1e6), right: seq.gaps.map((g) => g[1] / 1e6) };
      at("before").disabled = state.first === 0;
      at("after").disabled = state.first + state.count >= listed.length;
      const text = `${count(state.from + 1)}-${count(state.to)}`;
      if (document.activeElement !== at("region") || at("region").validity.valid) at("region").value = text;
      at("status").textContent = (listed.length ? `Rows ${count(state.first + 1)} to ${count(state.first + here.length)} of ${count(listed.length)} haplotypes` : "No haplotype fits") +
        `, ${seq.name}:${text}, ${count(shown.length)} ${shown.length === 1 ? "segment" : "segments"} in these rows.`;
      const p = seq.posteriors;
      at("resolution").textContent = p ? `Posteriors above, segments below. Posteriors are kept in steps of ${1 / drawing.steps}` + (p.bins > 1 ? ` and are the highest of every ${count(p.bins)} bins (${count(p.size)} bp)` : `, one for every bin of ${count(p.size)} bp`) + "; farther out, the highest of what one column covers." : "Segments; no posteriors were given.";
      list(seq, shown);
    };
    const list = (seq, shown) => {
      if (!at("listing").open) return;
      at("listed-caption").textContent = shown.length > LISTED ? `The first ${LISTED} of ${count(shown.length)} segments: zoom in, or choose, for the others` : `${count(shown.length)} segments`;
      at("listed").replaceChildren(...shown.slice(0, LISTED).map(([row, k]) => {
        const line = document.createElement("tr"), source = page.sources[seq.source[k]];
        const cells = [page.haplotypes[row].name, seq.names?.(k) ?? source, seq.start[k], seq.end[k], source, (seq.posterior[k] / 1e4).toFixed(4), seq.match[k], seq.sites[k]];
        cells.forEach((value, i) => {
          const cell = document.createElement(i ? "td" : "th");
          if (!i) cell.scope = "row";
          cell.textContent = typeof value === "number" ? count(value) : value;
          if ([2, 3, 5, 6, 7].includes(i)) cell.className = "n";
          line.append(cell);
        });
        return line;
      }));
    };
    const lengths = () => {
      const { edges, counts } = page.lengths, below = new Array(edges.length - 1).fill(0);
      page.sources.forEach((_, i) => {
        const bars = { left: [], right: [], top: [], bottom: [] };
        counts[state.group][i].forEach((n, k) => {
          if (!n) return;
          bars.left.push(edges[k] / 1000); bars.right.push(edges[k + 1] / 1000); bars.bottom.push(below[k]); bars.top.push(below[k] += n);
        });
        model(`lengths ${i}`).data = bars;
      });
      model("number of lengths").end = Math.max(1, ...below) * 1.06;
      at("lengths-of").textContent = `Here: ${page.groups[state.group].name}, ${count(below.reduce((a, b) => a + b, 0))} segments.`;
    };
    paint();
    lengths();
    if (page.chroms.length) whole(); else draw();
    document.documentElement.dataset.ready = String(Math.round(performance.now()));
  }
})();
