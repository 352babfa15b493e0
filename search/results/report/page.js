(() => {
  "use strict";
  const dark = matchMedia("(prefers-color-scheme: dark)");
  // Colours of the figures that a dark page would swallow.
  const lighter = {
    "#111111": "#f2f4f7", "#1f6fb4": "#5aa9e6", "#7b241c": "#d9705f", "#c0392b": "#ee6a5c", "#6c5b7b": "#b39ac9",
    "#a8a8a8": "#8b9099", "#2e9e5b": "#4fc07c",
  };
  const boxes = [...document.querySelectorAll(".figure > div")];

  function look(isNarrow) {
    const [ink, line] = dark.matches ? ["#e4e7ec", "#343a45"] : ["#1d2129", "#dde1e6"];
    const axis = {
      exponentformat: "e", gridcolor: line, zerolinecolor: line, linecolor: line, automargin: true, title: { font: { size: isNarrow ? 9 : 13 } },
    };
    return {
      layout: {
        paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
        font: { color: ink, family: "system-ui, sans-serif", size: isNarrow ? 10 : 12 },
        xaxis: axis, yaxis: axis, hovermode: "closest",
        modebar: { bgcolor: "rgba(0,0,0,0)", color: dark.matches ? "#7d8693" : "#a3a9b2", activecolor: ink },
        legend: { orientation: "h", x: 0, y: 1, xanchor: "left", yanchor: "bottom" },
      },
    };
  }

  function hasGl() {
    const canvas = document.createElement("canvas");
    return Boolean(canvas.getContext("webgl") || canvas.getContext("experimental-webgl"));
  }

  function draw(box) {
    let text = document.getElementById(box.dataset.figure).textContent;
    if (dark.matches) text = text.replace(/"(#[0-9a-f]{6})"/g, (all, colour) => `"${lighter[colour] || colour}"`);
    const { data, layout } = JSON.parse(text);
    if (data.some((trace) => trace.type === "parcoords") && !hasGl()) {
      box.className = "refused";
      box.textContent = "This figure needs WebGL, which this browser does not have.";
      box.dataset.drawn = "refused";
      return;
    }
    const isNarrow = box.clientWidth < 600;
    layout.template = look(isNarrow);
    layout.margin = { l: 60, r: 16, t: 36, b: 48 };
    if (data[0].type === "parcoords") layout.margin = { l: 70, r: 30, t: 60, b: 30 };
    layout.height = box.clientHeight;
    const config = {
      responsive: true, displaylogo: false, displayModeBar: isNarrow ? false : undefined,
      // One of its buttons sends the data to a server.
      modeBarButtonsToRemove: ["sendChartToCloud", "select2d", "lasso2d"], plotlyServerURL: "",
    };
    Plotly.newPlot(box, data, layout, config).then(() => {
      box.dataset.drawn = dark.matches ? "dark" : "light";
    });
  }

  // Only what is seen, or nearly, is drawn, so that the page is there at once.
  const seen = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      if (isIntersecting && !target.dataset.drawn) draw(target);
    }
  }, { rootMargin: "200px" });
  if (window.Plotly) {
    boxes.forEach((box) => seen.observe(box));
    dark.addEventListener("change", () => boxes.filter((box) => box.dataset.drawn).forEach(draw));
    addEventListener("beforeprint", () => boxes.filter((box) => !box.dataset.drawn).forEach(draw));
  }

  function key(row, index) {
    const text = row.cells[index].textContent;
    const number = Number(text);
    return text === "" ? null : Number.isNaN(number) ? text : number;
  }

  function order(a, b) {
    if (typeof a === typeof b) return a < b ? -1 : a > b ? 1 : 0;
    return typeof a === "number" ? -1 : 1;
  }

  document.querySelectorAll(".sorts th button").forEach((button) => {
    button.addEventListener("click", () => {
      const head = button.parentElement;
      const body = head.closest("table").tBodies[0];
      const turn = head.ariaSort === "ascending" ? -1 : 1;
      for (const other of head.parentElement.cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", turn === 1 ? "ascending" : "descending");
      const rows = [...body.rows].map((row) => [key(row, head.cellIndex), row]);
      rows.sort(([a], [b]) => (a === null || b === null ? (a === null) - (b === null) : turn * order(a, b)));
      body.append(...rows.map(([, row]) => row));
    });
  });
})();
