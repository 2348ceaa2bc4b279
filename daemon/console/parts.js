// Elements of the page. Text is always text: nothing that a client has written becomes markup.

export function element(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

export function show(parent, children) {
  parent.replaceChildren(...[children].flat());
}

export function note(parent, text, bad = false) {
  parent.textContent = text;
  parent.classList.toggle("bad", bad);
}

// `numbers`: the columns that stand to the right.
export function table(heads, rows, numbers = []) {
  if (rows.length === 0) return element("p", { class: "none" }, "none");
  const cell = (kind) => (content, column) => element(kind, numbers.includes(column) ? { class: "number" } : {}, content ?? "");
  const head = element("thead", {}, element("tr", {}, ...heads.map(cell("th"))));
  const body = element("tbody", {}, ...rows.map((row) => element("tr", {}, ...row.map(cell("td")))));
  return element("div", { class: "scroll", tabindex: "0" }, element("table", {}, head, body));
}
