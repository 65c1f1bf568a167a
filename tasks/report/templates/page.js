// What a page does in a browser: draws its charts from data, sorts and searches its tables, follows the choice of a region.
"use strict";
(() => {
  const page = JSON.parse(document.getElementById("page-data").textContent);
  const MANY = 400;  // marks on a map from which a canvas draws faster than SVG
  const SHOWN = 50;  // rows of a long table before the reader asks for more
  const drawn = new Map();
  let chosen = page.region ?? null;

  // tables lie by column, Vega takes rows
  function rows(name) {
    const table = page.tables[name];
    const columns = table.regions ? {...table.shared, ...table.regions[chosen]} : table;
    const keys = Object.keys(columns), length = Math.max(0, ...keys.map(key => columns[key].length));
    return Array.from({length}, (_, at) => Object.fromEntries(keys.map(key => {
      const column = columns[key];
      return [key, column[at - length + column.length] ?? null];  // a shorter column ends with the others
    })));
  }

  function isPicked(name) {
    return page.tables[name]?.regions !== undefined;
  }

  function namesOf(specification) {
    const names = new Set();
    (function visit(part) {
      if (Array.isArray(part)) return part.forEach(visit);
      if (part === null || typeof part !== "object") return;
      if (typeof part.data?.name === "string") names.add(part.data.name);
      Object.values(part).forEach(visit);
    })(specification);
    return names;
  }

  function draw(element) {
    const specification = page.charts[element.dataset.chart];
    const datasets = {};
    for (const name of namesOf(specification)) datasets[name] = page.shapes[name] ?? rows(name);
    const whole = {...specification, datasets};
    const shape = whole.usermeta?.shape;
    if (shape) whole.height = Math.round(Math.min(whole.height, element.clientWidth * shape + 60));
    if (whole.columns) whole.columns = Math.max(1, Math.min(whole.columns, Math.floor(element.clientWidth / 210)));
    const {spec} = vegaRuntime.compile(whole, {config: page.theme});
    const many = Object.values(datasets).some(values => values.length > MANY);
    const view = new vegaRuntime.View(vegaRuntime.parse(spec, null, {ast: true}), {
      expr: vegaRuntime.expressionInterpreter, renderer: many ? "canvas" : "svg", container: element, hover: true, tooltip,
    });
    view.addEventListener("click", (_, item) => {
      if (typeof item?.datum?.region === "string") choose(item.datum.region);
    });
    view.run();
    drawn.set(element, {view, picked: Object.keys(datasets).filter(isPicked)});
  }

  function drawOnce(element) {
    if (drawn.has(element)) return;
    drawn.set(element, null);
    draw(element);
    element.dataset.drawn = "";
  }

  // a tooltip of plain text: whatever a region is called, it is never read as HTML
  const tip = document.createElement("div");
  tip.className = "tip";
  tip.hidden = true;
  document.body.append(tip);
  function tooltip(_, event, __, value) {
    tip.hidden = value === null || value === undefined || value === "";
    if (tip.hidden) return;
    const lines = typeof value === "object" ? Object.entries(value) : [["", String(value)]];
    tip.replaceChildren(...lines.filter(([, text]) => text !== "" && text !== "null" && text !== "NaN").map(([title, text]) => {
      const line = document.createElement("div"), strong = document.createElement("b");
      strong.textContent = text;
      line.append(title ? `${title}: ` : "", strong);
      return line;
    }));
    const left = Math.min(event.clientX + 14, window.innerWidth - tip.offsetWidth - 6);
    const below = event.clientY + 14 + tip.offsetHeight < window.innerHeight;
    tip.style.left = `${Math.max(left, 4)}px`;
    tip.style.top = `${below ? event.clientY + 14 : Math.max(event.clientY - tip.offsetHeight - 10, 4)}px`;
  }

  function choose(region) {
    chosen = region;
    for (const entry of drawn.values()) {
      if (entry) for (const name of entry.picked) entry.view.data(name, rows(name)).run();
    }
    showChoice();
  }

  function showChoice() {
    for (const element of document.querySelectorAll("[data-chosen-name]")) {
      element.textContent = page.names?.[chosen] ?? chosen ?? "";
    }
    for (const row of document.querySelectorAll("tr[data-region]")) {
      row.toggleAttribute("data-chosen", row.dataset.region === chosen);
    }
  }

  // "−1,234.5", "12.3 %", "9.1 to 9.9" sort by their first number; a dash stands for what isn't known
  function key(cell) {
    const text = cell?.textContent.trim() ?? "";
    if (text === "" || text === "–") return null;
    const number = Number.parseFloat(text.replace(/−/g, "-").replace(/[, +▲▼]/g, ""));
    return Number.isNaN(number) || cell.matches("[data-text]") ? text.toLocaleLowerCase() : number;
  }

  function compare(a, b, sign) {
    if (a === null || b === null) return (a === null) - (b === null);
    if (typeof a !== typeof b) return typeof a === "number" ? -1 : 1;
    return sign * (typeof a === "number" ? a - b : a.localeCompare(b));
  }

  function enliven(table) {
    const body = table.tBodies[0], all = [...body.rows], long = all.length > SHOWN;
    let order = all, sought = "", most = long ? SHOWN : Infinity;
    const tools = document.createElement("div"), count = document.createElement("span");
    tools.className = "tools";
    count.setAttribute("role", "status");
    const more = document.createElement("button");
    more.type = "button";
    more.textContent = "show all";
    more.addEventListener("click", () => { most = Infinity; show(); });

    function show() {
      const found = sought ? order.filter(row => row.textContent.toLocaleLowerCase().includes(sought)) : order;
      const visible = found.slice(0, most);
      body.replaceChildren(...visible);
      body.classList.add("live");
      visible.forEach(finish);
      count.textContent = `${visible.length.toLocaleString("en")} of ${all.length.toLocaleString("en")} rows`;
      more.hidden = visible.length === found.length;
    }

    [...table.tHead.rows[0].cells].forEach((head, at) => {
      if (head.matches("[data-plain]")) return;
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const rising = head.getAttribute("aria-sort") === "descending";
        for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", rising ? "ascending" : "descending");
        const keyed = all.map(row => [key(row.cells[at]), row]);
        order = keyed.sort(([a], [b]) => compare(a, b, rising ? 1 : -1)).map(([, row]) => row);
        show();
      });
    });
    body.addEventListener("click", event => {
      const row = event.target.closest("tr[data-region]");
      if (row) choose(row.dataset.region);
    });
    if (all.length > 15) {
      const label = document.createElement("label"), input = document.createElement("input");
      input.type = "search";
      label.append("Search ", input);
      input.addEventListener("input", () => { sought = input.value.trim().toLocaleLowerCase(); show(); });
      tools.append(label, count, more);
      table.closest(".scroll").before(tools);
    }
    show();
  }

  // what only shown rows need: a button that chooses the region, a line of its past
  function finish(row) {
    const cell = row.cells[0];
    if (row.dataset.region !== undefined && !cell.firstElementChild) {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...cell.childNodes);
      cell.append(button);
    }
    sparkline(row);
  }

  // one letter a season, from the least to the most of the row; a dot where nothing is known
  const LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
  function sparkline(row) {
    const cell = row.querySelector("td[data-line]:empty");
    if (!cell) return;
    const text = cell.dataset.line, wide = 90, high = 20, step = wide / Math.max(text.length - 1, 1);
    let path = "", pen = "M";
    [...text].forEach((letter, at) => {
      const value = LETTERS.indexOf(letter);
      if (value < 0) { pen = "M"; return; }
      path += `${pen}${(at * step).toFixed(1)} ${(high - 2 - value / 61 * (high - 4)).toFixed(1)}`;
      pen = "L";
    });
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg"), line = document.createElementNS(svg.namespaceURI, "path");
    svg.setAttribute("viewBox", `0 0 ${wide} ${high}`);
    svg.setAttribute("width", wide);
    svg.setAttribute("height", high);
    svg.setAttribute("aria-hidden", "true");
    line.setAttribute("d", path);
    svg.append(line);
    cell.append(svg);
  }

  document.querySelectorAll("table.sortable").forEach(enliven);
  showChoice();
  const charts = [...document.querySelectorAll("[data-chart]")];
  const watcher = new IntersectionObserver(entries => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      watcher.unobserve(entry.target);
      drawOnce(entry.target);
    }
  }, {rootMargin: "400px"});
  charts.forEach(element => watcher.observe(element));
  window.addEventListener("beforeprint", () => charts.forEach(drawOnce));
})();
