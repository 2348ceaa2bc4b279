// The metrics page as numbers.

const line = /^([a-z_]+)(?:\{(.*)\})? (\S+)$/;
const label = /([a-z_]+)="((?:[^"\\]|\\.)*)"/g;

// By name and labels: { name, labels, value }.
export function readMetrics(page) {
  const out = new Map();
  for (const text of page.split("\n")) {
    const found = line.exec(text);
    if (!found) continue;
    const labels = {};
    for (const [, key, value] of (found[2] ?? "").matchAll(label)) labels[key] = value.replace(/\\(.)/g, (_, c) => (c === "n" ? "\n" : c));
    out.set(text.slice(0, text.lastIndexOf(" ")), { name: found[1], labels, value: Number(found[3]) });
  }
  return out;
}

function buckets(metrics, name) {
  const out = [];
  for (const series of metrics.values())
    if (series.name === `${name}_bucket`) out.push([series.labels.le === "+Inf" ? Infinity : Number(series.labels.le), series.value]);
  return out.sort((a, b) => a[0] - b[0]);
}

// The end of the bucket within which that share of what happened between the two pages is, in seconds; 0: nothing happened.
export function quantile(now, before, name, share) {
  const earlier = new Map(buckets(before, name));
  const fresh = buckets(now, name).map(([end, count]) => [end, count - (earlier.get(end) ?? 0)]);
  const all = fresh.at(-1)?.[1] ?? 0;
  if (all <= 0) return 0;
  const within = fresh.find(([, count]) => count >= share * all);
  return within[0] === Infinity ? fresh.at(-2)[0] : within[0];
}
