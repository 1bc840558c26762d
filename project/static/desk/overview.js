// Renews the parts of the overview every fifteen seconds, while somebody looks at it, and lets its bars open lists.
"use strict";

const EVERY = 15000;

function open_list(chart, event) {
  const [bar] = chart.getElementsAtEventForMode(event, "nearest", { intersect: true }, true);
  return bar ? chart.data.datasets[bar.datasetIndex].links[bar.index] : "";
}

function prepare_charts(page) {
  page.querySelectorAll("figure canvas").forEach((canvas) => {
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `${canvas.closest("figure").querySelector("figcaption").textContent}. The numbers are in the table.`);
    canvas.addEventListener("click", (event) => {
      const link = open_list(Chart.getChart(canvas), event);
      if (link) window.location.assign(link);
    });
    canvas.addEventListener("mousemove", (event) => {
      canvas.style.cursor = open_list(Chart.getChart(canvas), event) ? "pointer" : "default";
    });
  });
}

function renew_charts(page, fresh) {
  const news = [...fresh.querySelectorAll("figure canvas")].map((canvas) => JSON.parse(canvas.dataset.value));
  page.querySelectorAll("figure canvas").forEach((canvas, place) => {
    const chart = Chart.getChart(canvas);
    if (!chart || !news[place]) return;
    const { labels, datasets: [bars] } = news[place];
    chart.data.labels = labels;
    Object.assign(chart.data.datasets[0], { data: bars.data, links: bars.links });
    chart.update("none");
  });
}

// A part in which somebody has the focus stays as it is, and so does a table that is open.
function renew_parts(page, fresh) {
  fresh.querySelectorAll("[data-part]").forEach((part) => {
    const old = page.querySelector(`[data-part="${part.dataset.part}"]`);
    if (!old || old.innerHTML === part.innerHTML || old.contains(document.activeElement)) return;
    const is_open = old.querySelector("details[open]") !== null;
    old.className = part.className;
    old.innerHTML = part.innerHTML;
    if (is_open) old.querySelectorAll("details").forEach((each) => { each.open = true; });
  });
}

async function renew(page) {
  if (document.hidden) return;
  try {
    const answer = await fetch(page.dataset.renew, { headers: { Accept: "text/html" }, redirect: "error" });
    if (!answer.ok) throw new Error(answer.statusText);
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    renew_parts(page, fresh);
    renew_charts(page, fresh);
    page.classList.remove("desk-old");
  } catch {
    page.classList.add("desk-old"); // its time says how old it is
  }
}

window.addEventListener("load", () => {
  const page = document.querySelector("[data-renew]");
  if (!page) return;
  setTimeout(() => prepare_charts(page)); // django-unfold draws them at the same event
  setInterval(() => renew(page), EVERY);
  document.addEventListener("visibilitychange", () => renew(page));
});
