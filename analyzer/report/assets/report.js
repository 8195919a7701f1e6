"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const element = (id) => document.getElementById(id);
  const rows = data.exchanges;
  const text = (number) => (number < 0 ? "" : data.texts[number]);
  const pad = (number, digits) => String(number).padStart(digits, "0");

  // --- times: milliseconds since data.origin, which is milliseconds since 1970 -------------------------------------
  function clock(offset, digits) {
    const whole = Math.floor(offset);
    const date = new Date(data.origin + whole);
    const micros = Math.round((offset - whole) * 1000);
    const second = `${pad(date.getUTCHours(), 2)}:${pad(date.getUTCMinutes(), 2)}:${pad(date.getUTCSeconds(), 2)}`;
    return `${second}.${pad(date.getUTCMilliseconds(), 3)}${pad(Math.min(micros, 999), 3)}`.slice(0, digits ? 9 + digits : 8);
  }
  const day = (offset) => new Date(data.origin + offset).toISOString().slice(0, 10);
  function length(ms) {
    if (ms < 1) return `${+(ms * 1000).toPrecision(3)} µs`;
    if (ms < 1000) return `${+ms.toPrecision(3)} ms`;
    if (ms < 100000) return `${+(ms / 1000).toPrecision(3)} s`;
    const minutes = Math.floor(ms / 60000);
    return minutes < 60 ? `${minutes} min ${Math.round(ms / 1000) % 60} s` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
  }

  // --- the list of exchanges ---------------------------------------------------------------------------------------
  const PAGE = 200;
  const STATES = ["answered", "refused", "without answer", "waited"];
  const columns = [
    { name: "time", value: (i) => rows.time[i], show: (i) => clock(rows.time[i], 6) },
    { name: "command", value: (i) => text(rows.command[i]) },
    { name: "file", value: (i) => text(rows.file[i]), kind: "name" },
    { name: "status", value: (i) => text(rows.status[i]) || text(rows.outcome[i]), kind: "status" },
    { name: "response time", number: true, value: (i) => rows.latency[i], show: (i) => (rows.latency[i] === null ? "-" : length(rows.latency[i])) },
    { name: "request", number: true, value: (i) => rows.request[i] },
    { name: "response", number: true, value: (i) => rows.response[i] },
    { name: "connection", number: true, value: (i) => rows.connection[i] },
    { name: "session", value: (i) => text(rows.session[i]) },
    { name: "bytes", number: true, value: (i) => rows.bytes[i], show: (i) => rows.bytes[i]?.toLocaleString("en-US") ?? "" },
  ];
  columns.forEach((column) => { column.show ??= (i) => column.value(i) ?? "-"; });
  const list = { chosen: null, title: "", sort: 0, down: false, shown: PAGE, found: [], marked: -1 };

  function matching() {
    const wanted = element("search").value.trim().toLowerCase();
    const state = element("state").value;
    const from = list.chosen ?? rows.time.map((_, i) => i);
    const found = from.filter((i) => (state === "" || rows.state[i] === +state)
      && (wanted === "" || columns.some((column) => String(column.show(i)).toLowerCase().includes(wanted))));
    const { value } = columns[list.sort];
    const way = list.down ? -1 : 1;
    return found.sort((a, b) => {
      const [x, y] = [value(a), value(b)];
      if (x === y) return a - b;
      if (x === null || y === null) return x === null ? 1 : -1;
      return (x < y ? -1 : 1) * way;
    });
  }

  function row(i) {
    const line = document.createElement("tr");
    line.dataset.exchange = i;
    if (i === list.marked) line.className = "chosen";
    for (const column of columns) {
      const cell = line.insertCell();
      cell.textContent = column.show(i);
      if (column.number) cell.className = "number";
      if (column.kind === "name" && cell.textContent.length > 48) cell.className = "long";
      if (column.kind === "status") cell.className = ["", "warn", "bad", ""][rows.state[i]];
    }
    return line;
  }

  function show() {
    list.found = matching();
    const body = element("exchange-table").tBodies[0];
    body.replaceChildren(...list.found.slice(0, list.shown).map(row));
    element("more").hidden = list.found.length <= list.shown;
    element("everything").hidden = list.chosen === null;
    const count = list.found.length.toLocaleString("en-US");
    element("count").textContent = `${list.title}${count} ${list.found.length === 1 ? "exchange" : "exchanges"}`;
  }

  function choose(chosen, title, marked = -1) {
    Object.assign(list, { chosen, title, marked, shown: PAGE });
    element("search").value = "";
    element("state").value = "";
    show();
  }

  const head = element("exchange-table").tHead.rows[0];
  columns.forEach((column, place) => {
    const cell = document.createElement("th");
    cell.scope = "col";
    if (column.number) cell.className = "number";
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = column.name;
    button.addEventListener("click", () => {
      list.down = list.sort === place ? !list.down : column.number;
      list.sort = place;
      [...head.cells].forEach((other) => other.removeAttribute("aria-sort"));
      cell.setAttribute("aria-sort", list.down ? "descending" : "ascending");
      show();
    });
    cell.append(button);
    head.append(cell);
  });
  element("search").addEventListener("input", () => { list.shown = PAGE; show(); });
  element("state").addEventListener("input", () => { list.shown = PAGE; show(); });
  element("more").addEventListener("click", () => { list.shown += 5 * PAGE; show(); });
  element("everything").addEventListener("click", () => { mark(-1); choose(null, ""); });
  show();

  // --- the timeline ------------------------------------------------------------------------------------------------
  const LANE = data.lanes.length > 24 ? 15 : 22;
  const TOP = 48;
  const GAP = 58; // between the parts, for labels
  const lanesHeight = Math.max(data.lanes.length * LANE, 3 * LANE);
  const [first, last] = data.span;
  const margin = Math.max((last - first) * 0.01, 1);
  const whole = [first - margin, last + margin];
  const LEAST = 2; // milliseconds that the whole width may show
  const box = element("chart");
  box.style.height = `${TOP + lanesHeight + GAP + 190 + GAP + 90 + 76}px`;
  const chart = echarts.init(box, null, { renderer: "canvas" });
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  let view = [...whole];

  function bars(items, colours, height, opacity, least) {
    return (_, api) => {
      const lane = api.value(0);
      const [from, middle] = api.coord([api.value(1), lane]);
      const [to] = api.coord([api.value(2), lane]);
      const grid = { x: GRID.left, width: chart.getWidth() - GRID.left - GRID.right };
      const shape = echarts.graphic.clipRectByRect(
        { x: from - least / 2, y: middle - height / 2, width: Math.max(to - from, 0) + least, height },
        { x: grid.x, y: 0, width: grid.width, height: chart.getHeight() },
      );
      return shape && { type: "rect", shape: { ...shape, r: 2 }, style: { fill: colours(items[api.value(3)]), opacity } };
    };
  }
  const GRID = { left: 190, right: 70 };

  function tip(lines) {
    const node = document.createElement("div");
    node.className = "tip";
    for (const line of lines.filter(Boolean)) {
      const part = document.createElement("div");
      part.textContent = line;
      node.append(part);
    }
    return node;
  }
  function describe(kind, place) {
    if (kind === "finding") {
      const [, from, to, severity, title, cause] = data.findings[place];
      return [`${severity}: ${title}`, cause, `${clock(from, 6)}${to > from ? `, for ${length(to - from)}` : ""}`, "Click for its exchanges."];
    }
    if (kind === "event") {
      const [lane, time, number, words, frames] = data.events[place];
      return [`${data.kinds[number][0]}: ${text(words)}`, data.lanes[lane], `${clock(time, 6)}${text(frames) ? `, frames ${text(frames)}` : ""}`];
    }
    if (kind === "bar") {
      const [lane, from, to, state] = data.bars[place];
      return [data.lanes[lane], `${clock(from, 6)} to ${clock(to, 6)}, ${length(to - from)}`, `${state}`];
    }
    const took = rows.latency[place] === null ? "no answer" : length(rows.latency[place]);
    return [`${text(rows.command[place])} ${text(rows.file[place])}`, `${took}, ${text(rows.status[place]) || text(rows.outcome[place])}`,
      `${clock(rows.time[place], 6)}, frames ${rows.request[place] ?? "-"} and ${rows.response[place] ?? "-"}`];
  }

  function options() {
    const ink = colour("text");
    const quiet = colour("quiet");
    const line = { lineStyle: { color: colour("line") } };
    const plain = { textStyle: { color: ink } };
    const meaning = { good: colour("good"), bad: colour("error"), warn: colour("warning"), plain: colour("link"), quiet };
    const label = { color: quiet, hideOverlap: true, formatter: (value) => axisLabel(value) };
    const tops = [TOP, TOP + lanesHeight + GAP, TOP + lanesHeight + GAP + 190 + GAP];
    const heights = [lanesHeight, 190, 90];
    const axis = (place, extra) => ({ gridIndex: place, nameTextStyle: { color: quiet, align: "right", padding: [0, 8, 0, 0] }, axisLabel: { color: quiet }, axisLine: line, splitLine: line, ...extra });
    const points = (state, name, shade, symbol, size) => ({
      name, type: "scatter", xAxisIndex: 1, yAxisIndex: 1, symbol, symbolSize: size, itemStyle: { color: shade, opacity: 0.75 },
      data: rows.time.flatMap((time, i) => {
        if (rows.state[i] !== state || (rows.latency[i] === null && state !== 2)) return [];
        return [[time, Math.max(rows.latency[i] ?? last - time, 0.001), i]];
      }),
      kind: "exchange",
    });
    const symbols = { arrow: "path://M0,0 L10,0 L5,8 Z" };
    const events = data.kinds.map(([name, symbol, how], number) => ({
      name, type: "scatter", xAxisIndex: 0, yAxisIndex: 0, symbol: symbols[symbol] ?? symbol, symbolSize: symbol === "rect" ? [4, 12] : 9,
      itemStyle: { color: meaning[how], borderColor: colour("page"), borderWidth: 1 }, z: 4,
      data: data.events.flatMap((event, i) => (event[2] === number ? [[event[1], event[0], i]] : [])),
    })).filter((series) => series.data.length);
    const rate = (name, key, shade, axisIndex) => ({
      name, type: "line", step: "end", symbol: "none", xAxisIndex: 2, yAxisIndex: axisIndex, lineStyle: { width: 1.2, color: shade },
      itemStyle: { color: shade }, data: data.rates.time.map((time, i) => [time, data.rates[key][i]]), silent: true,
    });
    const moved = [...data.rates.read, ...data.rates.written].some((value) => value > 0);
    return {
      animation: false, backgroundColor: "transparent", textStyle: { color: ink, fontFamily: getComputedStyle(document.body).fontFamily },
      aria: { enabled: false },
      legend: { type: "scroll", top: 8, left: GRID.left, right: GRID.right, textStyle: { color: ink }, inactiveColor: quiet, pageTextStyle: { color: ink }, pageIconColor: ink, pageIconInactiveColor: quiet, itemWidth: 12, itemHeight: 10 },
      grid: tops.map((top, place) => ({ ...GRID, top, height: heights[place] })),
      xAxis: tops.map((_, place) => axis(place, { type: "value", min: whole[0], max: whole[1], ...ticks(label), axisPointer: { show: true, label: { formatter: (point) => clock(point.value, 6) } } })),
      yAxis: [
        axis(0, { type: "category", inverse: true, data: data.lanes, axisLabel: { color: ink, fontSize: LANE < 20 ? 10 : 12, width: GRID.left - 16, overflow: "truncate", interval: 0 }, splitLine: { show: false } }),
        axis(1, { type: "log", name: "response time", axisLabel: { color: quiet, formatter: length } }),
        axis(2, { type: "value", name: "requests/s", splitNumber: 2 }),
        axis(2, { type: "value", name: moved ? "MB/s" : "", splitNumber: 2, splitLine: { show: false }, show: moved }),
      ],
      axisPointer: { link: [{ xAxisIndex: "all" }], label: { backgroundColor: quiet } },
      tooltip: { ...plain, trigger: "item", confine: true, backgroundColor: colour("page"), borderColor: colour("line"), formatter: (item) => { const found = target(item); return found ? tip(describe(...found)) : ""; } },
      dataZoom: [
        { type: "inside", xAxisIndex: [0, 1, 2], zoomOnMouseWheel: "ctrl", moveOnMouseMove: true, moveOnMouseWheel: false, preventDefaultMouseMove: false, filterMode: "none", minValueSpan: LEAST, startValue: view[0], endValue: view[1] },
        { type: "slider", xAxisIndex: [0, 1, 2], bottom: 14, height: 24, ...GRID, filterMode: "none", minValueSpan: LEAST, startValue: view[0], endValue: view[1], labelFormatter: (value) => clock(value, 3), textStyle: { color: quiet }, borderColor: colour("line"), brushSelect: false, showDataShadow: false },
      ],
      series: [
        { name: "sessions", type: "custom", xAxisIndex: 0, yAxisIndex: 0, z: 2, data: data.bars.map(([lane, from, to], i) => [lane, from, to, i]), encode: { x: [1, 2], y: 0 }, itemStyle: { color: colour("bar") }, renderItem: bars(data.bars, (bar) => (["decrypted", "plaintext"].includes(bar[3]) ? colour("bar") : colour("bar-closed")), 8, 1, 2) },
        ...["security", "error", "warning", "info"].map((severity) => ({
          name: severity, type: "custom", xAxisIndex: 0, yAxisIndex: 0, z: 3, encode: { x: [1, 2], y: 0 }, itemStyle: { color: colour(severity) },
          data: data.findings.flatMap((finding, i) => (finding[3] === severity ? [[finding[0], finding[1], finding[2], i]] : [])),
          renderItem: bars(data.findings, (finding) => colour(finding[3]), 18, severity === "info" ? 0.3 : 0.55, 6),
        })).filter((series) => series.data.length),
        ...events,
        points(0, "answered", colour("point"), "circle", 4),
        points(3, "waited", quiet, "circle", 4),
        points(1, "refused", colour("warning"), "diamond", 7),
        points(2, "without answer", colour("error"), "diamond", 9),
        rate("requests/s", "requests", quiet, 2),
        ...(moved ? [rate("MB/s read", "read", colour("read"), 3), rate("MB/s written", "written", colour("written"), 3)] : []),
      ].filter((series) => series.data.length),
    };
  }

  // Steps of the time axis that clocks have.
  const SECOND = 1000;
  const STEPS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500,
    ...[1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200].map((n) => n * SECOND)];
  const DAY = 86400 * SECOND;
  function step() {
    const least = (view[1] - view[0]) / 9;
    return STEPS.find((size) => size >= least) ?? Math.ceil(least / DAY) * DAY;
  }
  function ticks(label) {
    const size = step();
    const values = [];
    for (let value = Math.ceil(view[0] / size) * size; value <= view[1]; value += size) values.push(value);
    return { axisTick: { customValues: values }, axisLabel: { ...label, customValues: values } };
  }
  function axisLabel(value) {
    const size = step();
    if (size >= DAY) return day(value);
    if (size >= 60 * SECOND) return clock(value, 0).slice(0, 5);
    return clock(value, size >= SECOND ? 0 : size >= 100 ? 1 : size >= 1 ? 3 : 4);
  }

  function target(item) {
    if (!item || !item.data) return null;
    if (item.seriesName === "sessions") return ["bar", item.data[3]];
    if (item.seriesType === "custom") return ["finding", item.data[3]];
    if (item.seriesType !== "scatter") return null;
    return [item.data.length === 3 && STATES.includes(item.seriesName) ? "exchange" : "event", item.data[2]];
  }

  function look(from, to) {
    const middle = (from + to) / 2;
    const width = Math.min(Math.max(to - from, LEAST), whole[1] - whole[0]);
    const start = Math.min(Math.max(middle - width / 2, whole[0]), whole[1] - width);
    chart.dispatchAction({ type: "dataZoom", startValue: start, endValue: start + width });
  }
  const moves = {
    in: () => look(view[0] + (view[1] - view[0]) / 4, view[1] - (view[1] - view[0]) / 4),
    out: () => look(view[0] - (view[1] - view[0]) / 2, view[1] + (view[1] - view[0]) / 2),
    left: () => look(view[0] - (view[1] - view[0]) / 4, view[1] - (view[1] - view[0]) / 4),
    right: () => look(view[0] + (view[1] - view[0]) / 4, view[1] + (view[1] - view[0]) / 4),
    all: () => look(...whole),
  };
  function tell() {
    const from = Math.max(view[0], first);
    element("window").textContent = `${day(from)} ${clock(from, 3)} to ${clock(Math.min(view[1], last), 3)} UTC`;
  }
  chart.on("datazoom", () => {
    const zoom = chart.getOption().dataZoom[0];
    view = [zoom.startValue, zoom.endValue];
    chart.setOption({ xAxis: Array(3).fill(ticks({})) });
    box.dataset.view = view.join(" ");
    tell();
  });
  chart.setOption(options());
  box.dataset.view = view.join(" ");
  tell();
  new ResizeObserver(() => chart.resize()).observe(box);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => chart.setOption(options(), true));

  document.querySelectorAll("[data-move]").forEach((button) => {
    button.addEventListener("click", () => moves[button.dataset.move]());
  });
  const keys = { "+": "in", "=": "in", "-": "out", ArrowLeft: "left", ArrowRight: "right", 0: "all", Home: "all" };
  box.addEventListener("keydown", (event) => {
    const move = event.ctrlKey || event.metaKey || event.altKey ? undefined : keys[event.key];
    if (move === undefined) return;
    event.preventDefault();
    moves[move]();
  });

  // --- findings ----------------------------------------------------------------------------------------------------
  const findings = [...document.querySelectorAll("[data-finding]")];
  let current = -1;

  function mark(place) {
    current = place;
    findings.forEach((finding, i) => finding.classList.toggle("chosen", i === place));
    reveal(findings[place]);
  }
  function reveal(finding) {
    const closed = finding?.closest("details:not([open])");
    if (closed) closed.open = true;
  }
  function zoomTo(place) {
    const [, from, to] = data.findings[place];
    const around = Math.max((to - from) * 0.3, (last - first) * 0.01, 5);
    look(from - around, to + around);
  }
  function showExchanges(place) {
    mark(place);
    zoomTo(place);
    choose(data.related[place], `Of the finding “${data.findings[place][4]}”: `);
    element("chart-detail").textContent = describe("finding", place).slice(0, 3).join(" · ");
    element("exchanges").scrollIntoView({ block: "start" });
  }
  chart.on("click", (item) => {
    const found = target(item);
    if (!found) return;
    const [kind, place] = found;
    element("chart-detail").textContent = describe(kind, place).join(" · ");
    if (kind === "finding") showExchanges(place);
    if (kind === "exchange") choose([place], "Chosen on the timeline: ", place);
  });
  findings.forEach((finding, place) => {
    finding.addEventListener("click", (event) => {
      if (event.target.closest("a") || String(getSelection())) return;
      if (event.target.closest("[data-zoom]")) {
        mark(place);
        zoomTo(place);
        element("timeline").scrollIntoView({ block: "start" });
      } else {
        showExchanges(place);
      }
    });
    finding.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && event.target === finding) showExchanges(place);
    });
  });
  document.addEventListener("keydown", (event) => {
    if (event.target.closest("input, select") || event.ctrlKey || event.metaKey || event.altKey) return;
    const step = { n: 1, p: -1 }[event.key];
    if (!step || findings.length === 0) return;
    const from = findings.indexOf(document.activeElement.closest("[data-finding]"));
    const next = from < 0 && current < 0 ? 0 : (from < 0 ? current : from) + step;
    const finding = findings[Math.min(Math.max(next, 0), findings.length - 1)];
    reveal(finding);
    finding.focus();
  });
})();
