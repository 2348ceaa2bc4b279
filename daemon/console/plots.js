// Plots of the last minutes, by Chart.js, which stands beside the page.

const most_points = 150;
const colours = { light: ["#0a6c74", "#b3541e", "#5b4aa3", "#7a7a10"], dark: ["#5cc4cc", "#ffb07a", "#b7a8ff", "#dada6a"] };
const dark = () => matchMedia("(prefers-color-scheme: dark)").matches;

export class Plots {
  #charts = new Map();

  // The colours are those of the scheme in which a plot was made.
  constructor() {
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      for (const chart of this.#charts.values()) chart.destroy();
      this.#charts.clear();
    });
  }

  // A value for each line of the plot.
  add(name, values) {
    const chart = this.#charts.get(name) ?? this.#make(name, Object.keys(values));
    if (!chart) return;
    chart.data.labels.push(new Date().toLocaleTimeString());
    if (chart.data.labels.length > most_points) chart.data.labels.shift();
    for (const line of chart.data.datasets) {
      line.data.push(values[line.label]);
      if (line.data.length > most_points) line.data.shift();
    }
    chart.update("none");
  }

  #make(name, lines) {
    if (typeof Chart === "undefined") return null;
    const style = getComputedStyle(document.documentElement);
    const soft = style.getPropertyValue("--soft").trim();
    const grid = style.getPropertyValue("--line").trim();
    const colour = colours[dark() ? "dark" : "light"];
    const chart = new Chart(document.getElementById(`plot-${name}`), {
      type: "line",
      data: { labels: [], datasets: lines.map((label, i) => ({ label, data: [], borderColor: colour[i], borderWidth: 2, pointRadius: 0, tension: 0.2 })) },
      options: {
        animation: false, responsive: true, maintainAspectRatio: false, interaction: { intersect: false, mode: "index" },
        scales: {
          x: { ticks: { color: soft, maxTicksLimit: 4, maxRotation: 0 }, grid: { display: false } },
          y: { beginAtZero: true, ticks: { color: soft, maxTicksLimit: 5 }, grid: { color: grid } },
        },
        plugins: { legend: { display: lines.length > 1, labels: { color: soft, boxWidth: 12 } } },
      },
    });
    this.#charts.set(name, chart);
    return chart;
  }
}
