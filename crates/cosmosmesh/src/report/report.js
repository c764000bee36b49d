"use strict";
(() => {
  // The data, and the name space of SVG, both from the page itself.
  const D = JSON.parse(document.getElementById("data").textContent);
  const NS = document.getElementById("defs").namespaceURI;
  const E = D.edges_s, N = E.length - 1, T0 = E[0], T1 = E[N], START = D.scenario.start_unix_s;
  const tip = document.getElementById("tip");

  // ---------------------------------------------------------------- basics

  const put = (node, attrs, kids) => {
    for (const [k, v] of Object.entries(attrs || {})) {
      if (v === null || v === undefined) continue;
      if (k === "fill" || k === "stroke") node.style[k] = v;
      else node.setAttribute(k, v);
    }
    for (const kid of kids) if (kid !== null && kid !== undefined) node.append(kid);
    return node;
  };
  const h = (tag, attrs, ...kids) => put(document.createElement(tag), attrs, kids);
  const s = (tag, attrs, ...kids) => put(document.createElementNS(NS, tag), attrs, kids);
  const words = (name) => String(name).replace(/_/g, " ");
  const ok = (v) => typeof v === "number" && Number.isFinite(v);
  const hours = (t) => (E[t + 1] - E[t]) / 3600;
  const r2 = (v) => Math.round(v * 100) / 100;
  const sum = (list) => list.reduce((a, b) => a + (b || 0), 0);
  const most = (list, least = 0) => list.reduce((a, b) => (ok(b) && b > a ? b : a), least);

  /** A number with about three significant digits, thousands apart. */
  const fmt = (v, digits) => {
    if (!ok(v)) return "–";
    // Below a millionth of a unit is what a solver leaves over.
    const a = Math.abs(v) < 1e-6 ? 0 : Math.abs(v);
    const d = digits ?? (a >= 100 ? 0 : a >= 10 ? 1 : a >= 1 ? 2 : a >= 0.001 ? 3 : 0);
    if (digits === undefined && a > 0 && a < 0.001) return v.toExponential(1).replace("-", "−").replace("e-", "e−");
    const [whole, rest] = a.toFixed(d).split(".");
    const text = whole.replace(/\B(?=(\d{3})+$)/g, "\u202f") + (rest ? "." + rest : "");
    return (v < 0 && /[1-9]/.test(text) ? "−" : "") + text;
  };
  const bytes = (n) => (n < 1e3 ? n + " B" : n < 1e6 ? fmt(n / 1e3, 1) + " kB" : fmt(n / 1e6, 2) + " MB");
  const MONTH = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
  const two = (v) => String(v).padStart(2, "0");
  const date = (t) => new Date((START + t) * 1000);
  const day = (t) => date(t).getUTCDate() + " " + MONTH[date(t).getUTCMonth()];
  const clock = (t) => two(date(t).getUTCHours()) + ":" + two(date(t).getUTCMinutes());
  const moment = (t) => day(t) + " " + clock(t);
  const step = (t) => {
    let lo = 0, hi = N - 1;
    while (lo < hi) { const mid = (lo + hi + 1) >> 1; if (E[mid] <= t) lo = mid; else hi = mid - 1; }
    return lo;
  };

  const HUES = ["orange", "blue", "green", "red", "sky", "pink", "yellow", "grey"].map((c) => `var(--${c})`);
  const hueOf = new Map(D.assets.map((a, i) => [a.name, HUES[i % HUES.length]]));

  // ------------------------------------------------------------------ axes

  /** Round numbers that cover [lo, hi], about n of them. */
  const nice = (lo, hi, n) => {
    if (!(hi > lo)) { const pad = Math.abs(hi) * 0.1 || 1; lo -= pad; hi += pad; }
    const raw = (hi - lo) / n, ten = 10 ** Math.floor(Math.log10(raw));
    const by = [1, 2, 2.5, 5, 10].map((f) => f * ten).find((f) => f >= raw * 0.999);
    const out = [];
    for (let i = Math.ceil(lo / by - 1e-9); i * by <= hi + by * 1e-9; i++) out.push(i * by);
    return { at: out, digits: Math.max(0, -Math.floor(Math.log10(by) + 1e-9) + (/^2\.?5/.test(String(by / ten)) ? 1 : 0)) };
  };

  /** Times for ticks, on round hours and days of UTC. */
  const times = (a, b, room) => {
    const H = 3600, by = [0.25, 0.5, 1, 2, 3, 6, 12, 24, 48, 72, 120, 240, 720, 2160, 8760].map((x) => x * H)
      .find((x) => (b - a) / x <= room) || (b - a);
    const first = START + a, from = by > 86400 ? Math.ceil(first / 86400) * 86400 : Math.ceil(first / by) * by;
    const out = [];
    for (let t = from; t <= START + b; t += by) out.push(t - START);
    return { at: out, by };
  };

  // ---------------------------------------------------- timelines and zoom

  /** How wide to draw in a box: on paper a fixed width, which is scaled. */
  let printing = window.matchMedia("print").matches;
  const widthOf = (host, least, usual) => (printing ? usual : Math.min(1600, Math.max(least, host.clientWidth - 32 || usual)));

  const view = { a: T0, b: T1 };
  const panels = [];
  const LEFT = 62, RIGHT = 212;
  let serial = 0;

  const hideTip = () => { tip.hidden = true; };
  const showTip = (event, title, rows) => {
    tip.replaceChildren(h("b", {}, title), ...rows.map(([name, value, hue]) => {
      const label = h("span", {}, name);
      if (hue) { const dot = h("i"); dot.style.background = hue; label.prepend(dot); }
      return h("div", {}, label, h("span", {}, value));
    }));
    tip.hidden = false;
    const box = tip.getBoundingClientRect(), wide = document.documentElement.clientWidth;
    let x = event.pageX + 16, y = event.pageY + 16;
    if (event.clientX + 16 + box.width > wide - 8) x = event.pageX - 16 - box.width;
    if (event.clientY + 16 + box.height > window.innerHeight - 8) y = event.pageY - 16 - box.height;
    tip.style.left = Math.max(4, x) + "px";
    tip.style.top = Math.max(4, y) + "px";
  };

  /** Outline of bands lo..hi over the steps, drawn as long as the steps are. */
  const band = (X, Y, lo, hi) => {
    let out = "", t = 0;
    while (t < N) {
      while (t < N && !(ok(lo[t]) && ok(hi[t]) && hi[t] !== lo[t])) t++;
      const from = t;
      while (t < N && ok(lo[t]) && ok(hi[t]) && hi[t] !== lo[t]) t++;
      if (from === t) break;
      out += `M${r2(X(E[from]))} ${r2(Y(lo[from]))}`;
      for (let k = from; k < t; k++) out += `V${r2(Y(hi[k]))}H${r2(X(E[k + 1]))}`;
      for (let k = t - 1; k >= from; k--) out += `V${r2(Y(lo[k]))}H${r2(X(E[k]))}`;
      out += "Z";
    }
    return out;
  };
  /** A line of steps; broken where there is no value. */
  const stairs = (X, Y, values) => {
    let out = "", on = false;
    values.forEach((v, t) => {
      if (!ok(v)) { on = false; return; }
      out += on ? `V${r2(Y(v))}` : `M${r2(X(E[t]))} ${r2(Y(v))}`;
      out += `H${r2(X(E[t + 1]))}`;
      on = true;
    });
    return out;
  };

  /** Scale and grid of a lane's vertical axis. */
  const vertical = (g, W, y, height, lo, hi, ticks) => {
    const Y = (v) => y + height - ((v - lo) / (hi - lo)) * height;
    const { at, digits } = nice(lo, hi, ticks);
    for (const v of at) {
      if (v < lo - 1e-9 * (hi - lo) || v > hi + 1e-9 * (hi - lo)) continue;
      g.append(s("line", { class: Math.abs(v) < 1e-12 ? "zero" : "gridline", x1: LEFT, x2: W - RIGHT, y1: Y(v), y2: Y(v) }));
      g.append(s("text", { x: LEFT - 7, y: Y(v) + 4, "text-anchor": "end" }, fmt(Math.abs(v) < 1e-12 ? 0 : v, digits)));
    }
    return Y;
  };

  const keys = (g, W, y, items) => items.forEach(({ name, note, hue, shape }, i) => {
    const x = W - RIGHT + 14, at = y + 8 + 15 * i;
    if (shape === "line" || shape === "dash") {
      g.append(s("line", { x1: x, x2: x + 12, y1: at, y2: at, stroke: hue, "stroke-width": 2, "stroke-dasharray": shape === "dash" ? "4 3" : null }));
    } else if (shape !== "none" && shape !== "blank") {
      g.append(s("rect", { x, y: at - 5, width: 12, height: 10, rx: 2, fill: hue }));
      if (shape === "hatch") g.append(s("rect", { x, y: at - 5, width: 12, height: 10, rx: 2, fill: "url(#hatch)" }));
    }
    const room = 26 - (note ? note.length + 1 : 0);
    const short = name.length > room ? name.slice(0, Math.max(3, room - 1)) + "…" : name;
    const label = s("text", { class: "key", x: x + (shape === "none" ? 0 : 18), y: at + 4 }, short);
    g.append(label);
    if (note) g.append(s("text", { x: W - 4, y: at + 4, "text-anchor": "end" }, note));
  });

  // Each lane has a title, a height, draw(g, clip, X, W, y) and rows(t, time).

  const strip = (rows) => ({
    title: "In contact with",
    height: rows.length * 15,
    draw(g, clip, X, W, y) {
      rows.forEach((row, i) => {
        const at = y + i * 15;
        g.append(s("line", { class: "gridline", x1: LEFT, x2: W - RIGHT, y1: at + 7.5, y2: at + 7.5 }));
        let path = "";
        for (const { from_s, to_s } of row.spans) {
          const x0 = X(from_s), x1 = Math.max(X(to_s), x0 + 0.8);
          path += `M${r2(x0)} ${at + 3}H${r2(x1)}V${at + 12}H${r2(x0)}Z`;
        }
        clip.append(s("path", { d: path, fill: hueOf.get(row.peer) || "var(--soft)" }));
        const share = sum(row.spans.map((p) => Math.min(p.to_s, T1) - Math.max(p.from_s, T0))) / (T1 - T0);
        keys(g, W, at, [{ name: words(row.peer), note: fmt(100 * share, share < 0.1 ? 1 : 0) + " %", shape: "none" }]);
      });
    },
    rows(t, time) {
      return rows.map((row) => {
        const on = row.spans.find((p) => p.from_s <= time && time < p.to_s);
        const next = row.spans.find((p) => p.from_s > time);
        return [words(row.peer), on ? `until ${moment(on.to_s)}` : next ? `from ${moment(next.from_s)}` : "no more", hueOf.get(row.peer) || "var(--soft)"];
      });
    },
  });

  /** Layers above zero and below it, with an optional outline. */
  const stack = ({ title, unit, up, down, outline, height, total }) => {
    const pile = (layers) => {
      const top = new Array(N).fill(0);
      return { layers: layers.map((layer) => {
        const lo = top.slice();
        layer.values.forEach((v, t) => { top[t] += ok(v) ? Math.max(0, v) : 0; });
        return { ...layer, lo, hi: top.slice() };
      }), top };
    };
    const U = pile(up), V = pile(down);
    const hi = Math.max(most(U.top), outline ? most(outline.values) : 0) * 1.04, lo = -most(V.top) * 1.04;
    return {
      title: `${title}, ${unit}`, height,
      draw(g, clip, X, W, y) {
        const Y = vertical(g, W, y, height, lo, hi > lo ? hi : lo + 1, down.length ? 5 : 4);
        for (const [list, sign] of [[U.layers, 1], [V.layers, -1]]) {
          for (const l of list) {
            const d = band(X, Y, l.lo.map((v) => sign * v), l.hi.map((v) => sign * v));
            if (!d) continue;
            clip.append(s("path", { d, fill: l.hue, stroke: "var(--edge)", "stroke-width": 0.4 }));
            if (l.hatch) clip.append(s("path", { d, fill: "url(#hatch)" }));
          }
        }
        if (outline) clip.append(s("path", { d: stairs(X, Y, outline.values), fill: "none", stroke: "var(--ink)", "stroke-width": 1.2, "stroke-dasharray": outline.dash || null }));
        if (lo < 0) g.append(s("line", { class: "zero", x1: LEFT, x2: W - RIGHT, y1: Y(0), y2: Y(0) }));
        const key = (l) => ({ name: l.name, note: total ? total(l.values) : "", hue: l.hue, shape: l.hatch ? "hatch" : "box" });
        const above = U.layers.map(key).reverse(), below = V.layers.map(key);
        if (outline) above.push({ name: outline.name, note: total ? total(outline.values) : "", hue: "var(--ink)", shape: outline.dash ? "dash" : "line" });
        keys(g, W, y, above);
        if (below.length) keys(g, W, Math.max(Y(0), y + 15 * above.length + 6), below);
      },
      rows(t) {
        const row = (sign) => (l) => [l.name, fmt(sign * l.values[t]) + " " + unit, l.hue];
        const out = [...U.layers.filter((l) => l.values[t] > 0).map(row(1)), ...V.layers.filter((l) => l.values[t] > 0).map(row(-1))];
        if (outline) out.push([outline.name, fmt(outline.values[t]) + " " + unit]);
        return out;
      },
    };
  };

  /** A state: known at the edges of the steps, straight in between. */
  const state = ({ title, name, series, hue }) => {
    const { unit, floor, ceiling, values, initial } = series;
    const hi = (ceiling ?? most([...values, initial])) * 1.04 || 1;
    const points = [initial ?? values[0], ...values];
    const least = Math.min(...points.filter(ok)), share = ceiling ? ` (${fmt((100 * least) / ceiling, 0)} %)` : "";
    const at = (t, time) => !ok(points[t]) || !ok(points[t + 1]) ? NaN : points[t] + (points[t + 1] - points[t]) * Math.min(1, Math.max(0, (time - E[t]) / (E[t + 1] - E[t])));
    return {
      title: `${title}, ${unit}`, height: 92,
      draw(g, clip, X, W, y) {
        const Y = vertical(g, W, y, 92, 0, hi, 3);
        // Broken where there is no value; then nothing is filled.
        const line = points.map((v, i) => (ok(v) ? `${i && ok(points[i - 1]) ? "L" : "M"}${r2(X(E[i]))} ${r2(Y(v))}` : "")).join("");
        if (points.every(ok)) clip.append(s("path", { d: `${line}V${Y(0)}H${r2(X(E[0]))}Z`, fill: hue, opacity: 0.22 }));
        clip.append(s("path", { d: line, fill: "none", stroke: hue, "stroke-width": 1.8 }));
        const items = [{ name, note: unit, hue, shape: "line" }, { name: "least", note: `${fmt(least)}${share}`, shape: "blank" }];
        for (const [v, label, colour] of [[floor, "reserve", "var(--red)"], [ceiling, "capacity", "var(--soft)"]]) {
          if (!ok(v) || v === 0) continue;
          g.append(s("line", { x1: LEFT, x2: W - RIGHT, y1: Y(v), y2: Y(v), stroke: colour, "stroke-width": 1.3, "stroke-dasharray": "5 3" }));
          items.push({ name: label, note: `${fmt(v)} ${unit}`, hue: colour, shape: "dash" });
        }
        keys(g, W, y, items);
      },
      rows(t, time) {
        const v = at(t, time), rows = [[name, fmt(v) + " " + unit + (ceiling ? ` (${fmt((100 * v) / ceiling, 0)} %)` : ""), hue]];
        if (ok(floor) && floor > 0) rows.push(["reserve", fmt(floor) + " " + unit, "var(--red)"]);
        return rows;
      },
    };
  };

  const prices = ({ title, unit, values, hue }) => {
    const known = values.filter(ok), hi = most(known, 0), lo = Math.min(0, ...known);
    const span = hi - lo || 1;
    const weights = values.map((v, t) => (ok(v) ? hours(t) : 0)), all = sum(weights);
    const mean = all ? sum(values.map((v, t) => (ok(v) ? v * weights[t] : 0))) / all : NaN;
    return {
      title, height: 88,
      draw(g, clip, X, W, y) {
        const Y = vertical(g, W, y, 88, lo - (lo < 0 ? span * 0.05 : 0), hi + span * 0.05, 3);
        clip.append(s("path", { d: stairs(X, Y, values), fill: "none", stroke: hue, "stroke-width": 1.8 }));
        keys(g, W, y, [{ name: "price", note: unit, hue, shape: "line" }, { name: "highest", note: fmt(hi), shape: "none" }, { name: "mean over time", note: fmt(mean), shape: "none" }, { name: "lowest", note: fmt(known.length ? Math.min(...known) : NaN), shape: "none" }]);
      },
      rows: (t) => [["price", ok(values[t]) ? fmt(values[t]) + " " + unit : "nobody can draw", hue]],
    };
  };

  const panel = (host, lanes, dark, label) => {
    if (!lanes.length) { host.append(h("p", { class: "note" }, "Nothing to draw.")); return; }
    const id = "clip" + serial++;
    const me = { draw, cross: null, X: null, bottom: 0 };
    let svg = null;
    function draw() {
      const W = widthOf(host, 680, 1180), right = W - RIGHT;
      const X = (t) => LEFT + ((t - view.a) / (view.b - view.a)) * (right - LEFT);
      let y = 0;
      const places = lanes.map((lane) => { const top = y + 20; y = top + lane.height + 8; return top; });
      const bottom = y + 2, H = bottom + 34;
      const back = s("g"), front = s("g"), clip = s("g", { "clip-path": `url(#${id})` }), shade = s("g", { "clip-path": `url(#${id})` });
      const ticks = times(view.a, view.b, Math.floor((right - LEFT) / 56));
      for (const t of ticks.at) {
        const x = r2(X(t)), midnight = (START + t) % 86400 === 0;
        places.forEach((top, i) => back.append(s("line", { class: "gridline", x1: x, x2: x, y1: top, y2: top + lanes[i].height })));
        front.append(s("line", { class: "axis", x1: x, x2: x, y1: bottom, y2: bottom + 8 }));
        front.append(s("text", { x, y: bottom + 20, "text-anchor": "middle", class: midnight ? "key" : null }, ticks.by >= 86400 || midnight ? day(t) : clock(t)));
      }
      front.append(s("text", { x: right + 34, y: bottom + 20 }, "UTC"));
      let rug = "";
      for (const t of E) if (t >= view.a && t <= view.b) rug += `M${r2(X(t))} ${bottom}v4`;
      front.append(s("path", { class: "axis", d: rug, opacity: 0.55 }));
      front.append(s("line", { class: "axis", x1: LEFT, x2: right, y1: bottom, y2: bottom }));
      let night = "";
      for (const { from_s, to_s } of dark) {
        const x0 = r2(X(from_s)), x1 = r2(X(to_s));
        places.forEach((top, i) => { night += `M${x0} ${top}H${x1}V${top + lanes[i].height}H${x0}Z`; });
      }
      if (night) shade.append(s("path", { class: "night", d: night }));
      lanes.forEach((lane, i) => {
        front.append(s("text", { class: "title", x: LEFT, y: places[i] - 6 }, lane.title));
        lane.draw(back, clip, X, W, places[i]);
      });
      me.cross = s("line", { class: "cross", y1: places[0], y2: bottom, x1: 0, x2: 0, visibility: "hidden" });
      const brush = s("rect", { class: "brush", y: places[0], height: bottom - places[0], width: 0, visibility: "hidden" });
      const next = s("svg", { class: "plot", viewBox: `0 0 ${W} ${H}`, role: "img", "aria-label": label },
        s("defs", {}, s("clipPath", { id }, s("rect", { x: LEFT, y: 0, width: right - LEFT, height: H }))),
        shade, back, clip, front, brush, me.cross);
      me.X = X;
      let pressed = null;
      const where = (event) => {
        const box = next.getBoundingClientRect(), x = ((event.clientX - box.left) * W) / box.width;
        return { x, y: ((event.clientY - box.top) * H) / box.height, time: view.a + ((x - LEFT) / (right - LEFT)) * (view.b - view.a) };
      };
      next.addEventListener("pointermove", (event) => {
        const p = where(event);
        if (p.x < LEFT || p.x > right) { leave(); return; }
        point(p.time);
        if (pressed !== null) {
          put(brush, { x: Math.min(pressed.x, p.x), width: Math.abs(p.x - pressed.x), visibility: "visible" }, []);
          return;
        }
        const t = step(p.time);
        let i = places.findIndex((top, k) => p.y < top + lanes[k].height + 4);
        if (i < 0) i = lanes.length - 1;
        const night = dark.some((d) => d.from_s <= p.time && p.time < d.to_s) ? " · dark" : "";
        const title = `${moment(E[t])} to ${day(E[t]) === day(E[t + 1]) ? clock(E[t + 1]) : moment(E[t + 1])}${night}`;
        showTip(event, title, [...lanes[i].rows(t, p.time), [`step ${t} of ${N}, ${fmt(hours(t))} h long`, ""]]);
      });
      const leave = () => { point(null); hideTip(); };
      next.addEventListener("pointerleave", () => { pressed = null; brush.setAttribute("visibility", "hidden"); leave(); });
      next.addEventListener("pointerdown", (event) => { const p = where(event); if (event.button === 0 && p.x >= LEFT && p.x <= right) { pressed = p; event.preventDefault(); } });
      next.addEventListener("pointerup", (event) => {
        const from = pressed, p = where(event);
        pressed = null;
        brush.setAttribute("visibility", "hidden");
        if (from && Math.abs(p.x - from.x) > 6) look(Math.min(from.time, p.time), Math.max(from.time, p.time));
      });
      next.addEventListener("dblclick", () => look(T0, T1));
      if (svg) svg.replaceWith(next); else host.append(next);
      svg = next;
    }
    panels.push(me);
    draw();
  };
  /** The same instant in every timeline. */
  const point = (time) => {
    for (const p of panels) {
      if (time === null) p.cross.setAttribute("visibility", "hidden");
      else put(p.cross, { x1: p.X(time), x2: p.X(time), visibility: "visible" }, []);
    }
  };
  const buttons = [];
  const look = (a, b) => {
    view.a = Math.max(T0, a);
    view.b = Math.min(T1, Math.max(b, a + 900));
    hideTip();
    for (const p of panels) p.draw();
    for (const [button, x, y] of buttons) button.setAttribute("aria-pressed", String(x === view.a && y === view.b));
  };

  // ------------------------------------------------------- what is in a lane

  const SUPPLY = { generation: [0, "solar", "var(--orange)"], discharge: [2, "from battery", "var(--green)"] };
  const LOADS = ["var(--grey)", "var(--pale)"], TASKS = ["var(--red)", "var(--pink)", "var(--yellow)"];

  const powerLane = (asset) => {
    const up = [], down = [], radio = new Array(N).fill(0), shed = new Array(N).fill(0);
    let outline = null, loads = 0, tasks = 0, sends = false;
    const works = (values) => values.some((v) => Math.abs(v) > 1e-6);
    for (const x of asset.series) {
      const v = x.values, name = words(x.device);
      if (SUPPLY[x.measure]) { if (works(v)) { const [rank, label, hue] = SUPPLY[x.measure]; up.push({ rank, name: label, hue, values: v }); } }
      else if (x.measure === "import" || x.measure === "export") {
        const into = v.map((p) => (x.measure === "import" ? p : -p));
        if (into.some((p) => p > 1e-6)) up.push({ rank: 1, name: "from the bus", hue: "var(--blue)", values: into.map((p) => Math.max(0, p)) });
        if (into.some((p) => p < -1e-6)) down.push({ rank: 8, name: "to the bus", hue: "var(--blue)", values: into.map((p) => Math.max(0, -p)) });
      }
      else if (x.measure === "load") { const k = loads++; if (works(v)) down.push({ rank: 0, name, hue: LOADS[k % 2], hatch: k > 1, values: v }); }
      else if (x.measure === "task") { const k = tasks++; if (works(v)) down.push({ rank: 1, name, hue: TASKS[k % 3], hatch: k > 2, values: v }); }
      else if (x.measure === "reactor") { if (works(v)) down.push({ rank: 2, name: "reactor", hue: "var(--sky)", values: v }); }
      else if (x.measure === "charge") { if (works(v)) down.push({ rank: 6, name: "into battery", hue: "var(--green)", values: v }); }
      else if (x.measure === "shunt") { if (works(v)) down.push({ rank: 7, name: "shunt", hue: "var(--pale)", hatch: true, values: v }); }
      else if (x.measure === "radio") v.forEach((p, t) => { radio[t] += p; sends ||= p > 1e-6; });
      else if (x.measure === "shed") v.forEach((p, t) => { shed[t] += p; });
      else if (x.measure === "available" && works(v)) outline = { name: "solar at most", values: v };
    }
    if (sends) down.push({ rank: 5, name: "radio", hue: "var(--yellow)", values: radio });
    if (works(shed)) down.push({ rank: 9, name: "not served", hue: "var(--card)", hatch: true, values: shed });
    if (!up.length && !down.length) return null;
    for (const list of [up, down]) list.sort((a, b) => a.rank - b.rank);
    const rows = Math.max(up.length + (outline ? 1 : 0), 3) + down.length;
    return stack({ title: "Power: sources above zero, uses below", unit: "kW", up, down, outline, height: Math.max(200, 15 * rows + 24),
      total: (values) => fmt(sum(values.map((v, t) => v * hours(t)))) + " kWh" });
  };

  const rate = (values) => values.map((v, t) => v / hours(t));
  const lanesOf = (asset) => {
    const of = (m) => asset.series.filter((x) => x.measure === m), lanes = [];
    if (asset.contacts.length) lanes.push(strip(asset.contacts));
    const power = powerLane(asset);
    if (power) lanes.push(power);
    for (const x of of("stored")) lanes.push(state({ title: "State of charge", name: words(x.device), series: x, hue: "var(--green)" }));
    const minutes = (title, list, height) => {
      const worked = list.filter((l) => l.values.some((v) => v > 1e-6));
      if (worked.length) lanes.push(stack({ title, unit: "min per h", height, up: worked.map((l) => ({ ...l, values: rate(l.values) })), down: [], outline: null,
        total: (values) => fmt(sum(values.map((v, t) => v * hours(t)))) + " min" }));
    };
    minutes("Downlink time used", of("minutes").map((x, i) => ({ name: words(x.device), hue: ["var(--blue)", "var(--orange)", "var(--pink)"][i % 3], values: x.values })), 66);
    minutes("Relay time", [...of("served").map((x) => ({ name: "serves others", hue: "var(--sky)", values: x.values })), ...of("kept").map((x) => ({ name: "kept for itself", hue: "var(--pale)", values: x.values }))], 66);
    for (const x of of("recorded")) lanes.push(state({ title: "Data waiting on board", name: words(x.device), series: x, hue: "var(--pink)" }));
    for (const x of of("lost")) {
      if (x.values.some((v) => v > 1e-6)) lanes.push(stack({ title: "Data overwritten", unit: "Gbit per h", height: 50, up: [{ name: "lost", hue: "var(--red)", hatch: true, values: rate(x.values) }], down: [], outline: null,
        total: (values) => fmt(sum(values.map((v, t) => v * hours(t)))) + " Gbit" }));
    }
    for (const x of of("oxygen")) lanes.push(state({ title: "Oxygen in the tank", name: words(x.device), series: x, hue: "var(--sky)" }));
    for (const x of of("oxygen_sale")) {
      if (x.values.some((v) => v > 1e-6)) lanes.push(stack({ title: "Oxygen delivered", unit: "kg per day", height: 56, up: [{ name: "delivered", hue: "var(--sky)", values: x.values }], down: [], outline: null,
        total: (values) => fmt(sum(values.map((v, t) => (v * hours(t)) / 24))) + " kg" }));
    }
    return lanes;
  };

  const card = (host, title, small, facts, hue, cls) => {
    const chip = h("span", { class: "chip" });
    if (hue) chip.style.background = hue;
    const heading = h("h3", {}, hue ? chip : null, title);
    const box = h("article", { class: "card" + (cls ? " " + cls : "") }, h("header", {}, heading, small ? h("small", {}, small) : null, facts ? h("span", { class: "facts" }, facts) : null));
    host.append(box);
    return box;
  };

  // ---------------------------------------------------------------- assets

  const assetHost = document.getElementById("asset-plots");
  for (const asset of D.assets) {
    const k = asset.kpis, facts = [`worth ${fmt(-k.cost_value)} ${D.scenario.value_unit}`, `${fmt(k.served_kwh)} kWh served`];
    if (k.unserved_kwh > 0.005) facts.push(`${fmt(k.unserved_kwh)} kWh not served`);
    if (k.returned_gbit > 0.005) facts.push(`${fmt(k.returned_gbit)} Gbit returned`);
    const share = sum(asset.dark.map((d) => d.to_s - d.from_s)) / (T1 - T0);
    facts.push(`dark ${fmt(100 * share, 0)} % of the time`);
    const box = card(assetHost, asset.name, `${words(asset.kind)} of ${asset.owner}`, facts.join(" · "), hueOf.get(asset.name));
    panel(box, lanesOf(asset), asset.dark, `Timeline of ${asset.name}`);
  }

  // --------------------------------------------------- shares and prices

  const shareHost = document.getElementById("share-plots");
  for (const c of D.couplings) {
    const power = c.resource === "power", per = power ? (v) => v : rate, unit = power ? c.unit : `${c.unit} per h`;
    const total = (values) => fmt(sum(values.map((v, t) => v * hours(t)))) + (power ? " kWh" : " " + c.unit);
    const up = [], down = [];
    for (const m of c.members) {
      const v = per(m.values), hue = hueOf.get(m.member) || "var(--grey)";
      // Drawn is above zero here: a share of what there is.
      if (v.some((x) => x > 1e-6)) up.push({ name: words(m.member), hue, values: v.map((x) => Math.max(0, x)) });
      if (v.some((x) => x < -1e-6)) down.push({ name: words(m.member), hue, values: v.map((x) => Math.max(0, -x)) });
    }
    const outline = c.capacity ? { name: "capacity", values: per(c.capacity) } : null;
    const title = c.kind === "balance" ? "Drawn above zero, supplied below" : "Shares against the capacity";
    const height = Math.max(150, 15 * (up.length + down.length + 2) + 16);
    const box = card(shareHost, words(c.name), c.kind === "balance" ? "what is drawn equals what is supplied, in every step" : "together at most the capacity, in every step");
    panel(box, [stack({ title, unit, up, down, outline, height, total }), prices({ title: `Price, ${c.price_unit}`, unit: c.price_unit, values: c.price, hue: "var(--accent)" })], [], `Shares and price of ${c.name}`);
  }

  // ------------------------------------------------------------- agreement

  const curves = [];
  /** Lines through points of rounds; logarithmic or not. */
  const curve = (host, { xs, xlabel, xfmt, lines, log, ylabel, mark, label }) => {
    let svg = null;
    const draw = () => {
      const W = widthOf(host, 420, 560), H = 250, R = 16, TOP = 26, B = 44;
      let L = 66;
      const values = lines.flatMap((l) => l.values).filter((v) => ok(v) && (!log || v > 0));
      const g = s("g");
      const next = s("svg", { class: "plot", viewBox: `0 0 ${W} ${H}`, role: "img", "aria-label": label }, g);
      if (values.length && xs.length) {
        let lo = Math.min(...values), hi = Math.max(...values), ticks;
        if (mark && mark.value > 0) { lo = Math.min(lo, mark.value); hi = Math.max(hi, mark.value); }
        const f = log ? Math.log10 : (v) => v;
        if (log) {
          lo = 10 ** Math.floor(Math.log10(lo) + 1e-9); hi = 10 ** Math.ceil(Math.log10(hi) - 1e-9);
          if (hi === lo) hi *= 10;
          const by = Math.max(1, Math.ceil((f(hi) - f(lo)) / 7));
          ticks = [];
          for (let p = Math.round(f(lo)); p <= f(hi) + 1e-9; p += by) ticks.push([10 ** p, p]);
        } else {
          const pad = (hi - lo) * 0.06 || Math.abs(hi) * 0.05 || 1;
          lo -= pad; hi += pad;
          const n = nice(lo, hi, 5);
          ticks = n.at.map((v) => [v, fmt(v, n.digits)]);
          L = Math.max(L, 38 + 6.6 * Math.max(...ticks.map(([, text]) => text.length)));
        }
        const xa = xfmt.whole ? Math.min(...xs) : 0, xb = Math.max(...xs), wide = xb - xa || 1;
        const X = (x) => L + 8 + ((x - xa) / wide) * (W - L - R - 16), Y = (v) => H - B - ((f(v) - f(lo)) / (f(hi) - f(lo))) * (H - B - TOP);
        for (const [v, text] of ticks) {
          g.append(s("line", { class: "gridline", x1: L, x2: W - R, y1: Y(v), y2: Y(v) }));
          const t = s("text", { x: L - 7, y: Y(v) + 4, "text-anchor": "end" });
          if (log) t.append("10", s("tspan", { dy: -5, "font-size": 9 }, String(text).replace("-", "−"))); else t.append(text);
          g.append(t);
        }
        g.append(s("line", { class: "axis", x1: L, x2: W - R, y1: H - B, y2: H - B }));
        const n = nice(xa, xb, Math.min(8, Math.max(1, xs.length - 1)));
        for (const v of n.at) {
          if (xfmt.whole && v !== Math.round(v)) continue;
          g.append(s("line", { class: "axis", x1: X(v), x2: X(v), y1: H - B, y2: H - B + 4 }));
          g.append(s("text", { x: X(v), y: H - B + 17, "text-anchor": "middle" }, xfmt.whole ? String(v) : fmt(v, n.digits)));
        }
        if (mark && mark.value > 0) {
          g.append(s("line", { x1: L, x2: W - R, y1: Y(mark.value), y2: Y(mark.value), stroke: "var(--good)", "stroke-width": 1.3, "stroke-dasharray": "5 3" }));
          g.append(s("text", { x: W - R - 4, y: Y(mark.value) - 5, "text-anchor": "end" }, mark.name));
        }
        for (const l of lines) {
          let d = "", on = false;
          l.values.forEach((v, i) => {
            if (!ok(v) || (log && v <= 0)) { on = false; return; }
            d += `${on ? "L" : "M"}${r2(X(xs[i]))} ${r2(Y(v))}`;
            on = true;
          });
          g.append(s("path", { d, fill: "none", stroke: l.hue, "stroke-width": 1.8, "stroke-dasharray": l.dash || null }));
          l.values.forEach((v, i) => { if (ok(v) && (!log || v > 0)) g.append(s("circle", { cx: X(xs[i]), cy: Y(v), r: xs.length > 60 ? 1.6 : 3, fill: l.hue })); });
        }
        let x = L;
        for (const l of lines) {
          g.append(s("line", { x1: x, x2: x + 14, y1: 10, y2: 10, stroke: l.hue, "stroke-width": 2.2, "stroke-dasharray": l.dash || null }));
          g.append(s("text", { class: "key", x: x + 19, y: 14 }, l.name));
          x += 34 + l.name.length * 6.3;
        }
        next.addEventListener("pointermove", (event) => {
          const box = next.getBoundingClientRect(), at = ((event.clientX - box.left) * W) / box.width;
          let best = 0;
          xs.forEach((v, i) => { if (Math.abs(X(v) - at) < Math.abs(X(xs[best]) - at)) best = i; });
          const r = D.rounds[best];
          showTip(event, `Round ${r.round}, after ${fmt(r.virtual_time_s / 3600)} h`, [...lines.map((l) => [l.name, l.show ? l.show(l.values[best]) : fmt(l.values[best]), l.hue]), [`heard ${r.received} of ${r.members}`, ""]]);
        });
        next.addEventListener("pointerleave", hideTip);
      } else {
        g.append(s("text", { x: W / 2, y: H / 2, "text-anchor": "middle" }, "nothing was recorded"));
      }
      g.append(s("text", { x: (L + W - R) / 2, y: H - 8, "text-anchor": "middle" }, xlabel));
      g.append(s("text", { x: 14, y: (TOP + H - B) / 2, "text-anchor": "middle", transform: `rotate(-90 14 ${(TOP + H - B) / 2})` }, ylabel));
      if (svg) svg.replaceWith(next); else host.append(next);
      svg = next;
    };
    curves.push(draw);
    draw();
  };

  const rounds = D.rounds, agreement = document.getElementById("agreement-plots");
  const numbers = rounds.map((r) => r.round), spent = rounds.map((r) => r.virtual_time_s / 3600);
  const gapLine = { name: "certified relative gap", hue: "var(--blue)", values: rounds.map((r) => r.relative_gap), show: (v) => (ok(v) ? v.toExponential(1).replace("-", "−") : "none yet") };
  const wanted = { name: "wanted", value: D.summary.gap_wanted };
  const WHOLE = { whole: true }, unit = D.scenario.value_unit;
  curve(card(agreement, "Gap by round"), { xs: numbers, xlabel: "round", xfmt: WHOLE, lines: [gapLine], log: true, ylabel: "relative gap", mark: wanted, label: "Certified gap by round" });
  curve(card(agreement, "Gap by time"), { xs: spent, xlabel: "time since the start of the mission, h", xfmt: {}, lines: [gapLine], log: true, ylabel: "relative gap", mark: wanted, label: "Certified gap by time" });
  curve(card(agreement, "Bounds on the cost"), { xs: numbers, xlabel: "round", xfmt: WHOLE, lines: [
    { name: "upper: a plan that works", hue: "var(--red)", values: rounds.map((r) => r.upper_value), show: (v) => fmt(v, 3) },
    { name: "lower: no plan costs less", hue: "var(--blue)", dash: "6 3", values: rounds.map((r) => r.lower_value), show: (v) => fmt(v, 3) }], ylabel: `cost, ${unit}`, label: "Lower and upper bound by round" });
  curve(card(agreement, "Largest imbalance"), { xs: numbers, xlabel: "round", xfmt: WHOLE, log: true, lines: D.couplings.map((c, i) => ({ name: `${words(c.name)}, ${c.unit}`, hue: ["var(--blue)", "var(--orange)", "var(--green)", "var(--pink)", "var(--red)", "var(--sky)"][i % 6], dash: [null, "6 3", "2 3"][i % 3], values: rounds.map((r) => r.imbalance[i]), show: (v) => (ok(v) ? v.toExponential(1).replace("-", "−") + " " + c.unit : "–") })), ylabel: "in the coupling's unit", label: "Largest imbalance by round" });

  const heard = card(agreement, "Who was heard", "filled: the asset's answer came in time; open: it did not, and what it said last was carried forward", null, null, "full");
  const attendance = (() => {
    let svg = null;
    return () => {
      const W = widthOf(heard, 680, 1180), L = 130, n = Math.max(1, rounds.length);
      const size = Math.min(34, (W - L - 12) / n), row = 17, H = D.assets.length * row + 26, g = s("g");
      D.assets.forEach((a, i) => {
        g.append(s("text", { class: "key", x: L - 10, y: i * row + 13, "text-anchor": "end" }, a.name.length > 19 ? a.name.slice(0, 18) + "…" : a.name));
        rounds.forEach((r, k) => {
          const gone = r.carried.includes(a.name), pad = Math.min(1.5, size * 0.1);
          g.append(s("rect", { x: L + k * size + pad, y: i * row + 3, width: Math.max(0.5, size - 2 * pad), height: row - 5, rx: Math.min(2, size / 4), fill: gone ? "none" : hueOf.get(a.name), stroke: gone ? "var(--soft)" : "none" }));
        });
      });
      const by = Math.max(1, Math.ceil(24 / size));
      rounds.forEach((r, k) => { if (k % by === 0) g.append(s("text", { x: L + (k + 0.5) * size, y: H - 8, "text-anchor": "middle" }, String(r.round))); });
      g.append(s("text", { x: L - 10, y: H - 8, "text-anchor": "end" }, "round"));
      const next = s("svg", { class: "plot", viewBox: `0 0 ${W} ${H}`, role: "img", "aria-label": "Who was heard in each round" }, g);
      next.addEventListener("pointermove", (event) => {
        const box = next.getBoundingClientRect(), k = Math.floor((((event.clientX - box.left) * W) / box.width - L) / size), r = rounds[k];
        if (!r) { hideTip(); return; }
        showTip(event, `Round ${r.round}, after ${fmt(r.virtual_time_s / 3600)} h`, [["heard", `${r.received} of ${r.members}`], ["carried forward", r.carried.length ? r.carried.join(", ") : "nobody"]]);
      });
      next.addEventListener("pointerleave", hideTip);
      if (svg) svg.replaceWith(next); else heard.append(next);
      svg = next;
    };
  })();
  attendance();
  curves.push(attendance);

  // -------------------------------------------------------------- contacts

  const contactHost = card(document.getElementById("contact-plots"), "Bytes per contact", "one row a direction, from the start until the agreement was reached");
  const links = new Map();
  for (const c of D.contacts) {
    const key = JSON.stringify([c.from, c.to]);
    if (!links.has(key)) links.set(key, { from: c.from, to: c.to, list: [], bytes: 0, messages: 0 });
    const link = links.get(key);
    link.list.push(c);
    link.bytes += c.bytes;
    link.messages += c.messages;
  }
  const used = [...links.values()].filter((l) => l.bytes > 0).sort((a, b) => b.bytes - a.bytes), quiet = links.size - used.length;
  const carried = (() => {
    let svg = null;
    return () => {
      const W = widthOf(contactHost, 680, 1180), L = 210, R = 230, row = 20, TOP = 20, H = TOP + used.length * row + 40, g = s("g");
      const end = Math.max(D.summary.virtual_time_s * 1.02, 60), scale = end > 2 * 86400 ? 86400 : end > 7200 ? 3600 : end > 120 ? 60 : 1;
      const X = (t) => L + (Math.min(end, Math.max(0, t)) / end) * (W - L - R);
      const top = most(D.contacts.map((c) => c.bytes), 1), least = D.contacts.reduce((m, c) => (c.bytes > 0 ? Math.min(m, c.bytes) : m), top);
      const depth = (b) => (b <= 0 ? 0 : top === least ? 0.85 : 0.2 + 0.7 * (Math.log(b / least) / Math.log(top / least)));
      const bottom = TOP + used.length * row, biggest = most(used.map((l) => l.bytes), 1);
      const { at, digits } = nice(0, end / scale, 8);
      for (const v of at) {
        g.append(s("line", { class: "gridline", x1: X(v * scale), x2: X(v * scale), y1: TOP, y2: bottom }));
        g.append(s("text", { x: X(v * scale), y: bottom + 16, "text-anchor": "middle" }, fmt(v, digits)));
      }
      g.append(s("line", { class: "axis", x1: L, x2: W - R, y1: bottom, y2: bottom }));
      g.append(s("text", { x: (L + W - R) / 2, y: bottom + 33, "text-anchor": "middle" }, `time since the start of the mission, ${{ 86400: "days", 3600: "h", 60: "min", 1: "s" }[scale]}`));
      g.append(s("text", { class: "title", x: W - R + 14, y: 12 }, "Bytes"), s("text", { class: "title", x: W - 4, y: 12, "text-anchor": "end" }, "Messages"));
      used.forEach((link, i) => {
        const y = TOP + i * row, name = `${link.from} → ${link.to}`;
        g.append(s("text", { class: "key", x: L - 10, y: y + 14, "text-anchor": "end" }, name.length > 30 ? name.slice(0, 29) + "…" : name));
        for (const c of link.list) {
          if (c.start_s > end) continue;
          const x = X(c.start_s), width = Math.max(2, X(c.end_s) - x);
          const show = (event) => showTip(event, name, [["contact", `${moment(c.start_s)} to ${moment(c.end_s)}`], ["carried", bytes(c.bytes)], ["messages", String(c.messages)]]);
          for (const box of [s("rect", { x, y: y + 3, width, height: row - 6, rx: 2, fill: "var(--blue)", "fill-opacity": r2(depth(c.bytes)), stroke: "var(--soft)", "stroke-width": 0.7 })]) {
            box.addEventListener("pointermove", show);
            box.addEventListener("pointerleave", hideTip);
            g.append(box);
          }
        }
        const full = R - 150;
        g.append(s("rect", { x: W - R + 14, y: y + 4, width: Math.max(1, (link.bytes / biggest) * full), height: row - 8, rx: 2, fill: "var(--blue)" }));
        g.append(s("text", { class: "key", x: W - R + 20 + (link.bytes / biggest) * full, y: y + 14 }, bytes(link.bytes)), s("text", { x: W - 4, y: y + 14, "text-anchor": "end" }, fmt(link.messages, 0)));
      });
      const next = s("svg", { class: "plot", viewBox: `0 0 ${W} ${H}`, role: "img", "aria-label": "Bytes that each contact carried" }, g);
      if (svg) svg.replaceWith(next); else contactHost.append(next);
      svg = next;
    };
  })();
  if (used.length) { carried(); curves.push(carried); } else contactHost.append(h("p", { class: "note" }, "No contact carried a message."));
  if (used.length && quiet) contactHost.append(h("p", { class: "note" }, `${quiet} more ${quiet === 1 ? "direction" : "directions"} of contact carried nothing.`));

  // ------------------------------------------------------------------ zoom

  const zoom = document.getElementById("zoom"), span = T1 - T0, name = (v) => (v >= 86400 ? `${fmt(v / 86400, 0)} d` : `${fmt(v / 3600, 0)} h`);
  zoom.append("Timelines: ");
  for (const [label, length] of [["all", span], ["first 7 d", 604800], ["first 48 h", 172800]]) {
    if (length > span || (length === span && label !== "all")) continue;
    const button = h("button", { type: "button", "aria-pressed": String(length === span) }, label === "all" ? `all ${name(span)}` : label);
    button.addEventListener("click", () => look(T0, T0 + length));
    buttons.push([button, T0, T0 + length]);
    zoom.append(button);
  }

  let width = document.documentElement.clientWidth, waiting = 0;
  const redraw = () => { for (const p of panels) p.draw(); for (const draw of curves) draw(); };
  window.addEventListener("resize", () => {
    if (printing || document.documentElement.clientWidth === width) return;
    width = document.documentElement.clientWidth;
    cancelAnimationFrame(waiting);
    waiting = requestAnimationFrame(redraw);
  });
  window.addEventListener("beforeprint", () => { printing = true; cancelAnimationFrame(waiting); redraw(); });
  window.addEventListener("afterprint", () => { printing = false; redraw(); });
})();
