// React is published for bundlers. This makes one module of it that a page imports as it is: [--development] NODE_MODULES
// OUTPUT. Nothing is compiled; each file of React stays a function of its own, as Node would call it.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const development = process.argv[2] === "--development";
const [packages, output] = process.argv.slice(development ? 3 : 2);
const kind = development ? "development" : "production";
const files = {
  scheduler: `scheduler/cjs/scheduler.${kind}.js`,
  react: `react/cjs/react.${kind}.js`,
  "react-dom": `react-dom/cjs/react-dom.${kind}.js`,
  "react-dom/client": `react-dom/cjs/react-dom-client.${kind}.js`,
};
const hooks = ["StrictMode", "Fragment", "createContext", "createElement", "useCallback", "useContext", "useEffect", "useMemo", "useReducer",
  "useRef", "useState", "useSyncExternalStore"];

let text = `// Made by vendor.mjs of React ${JSON.parse(readFileSync(join(packages, "react/package.json"))).version} (MIT, Meta Platforms).
const process = { env: { NODE_ENV: "${kind}" } };
const made = {};
const require = (name) => {
  if (!made[name]) {
    const module = (made[name] = { exports: {} });
    files[name](module, module.exports);
  }
  return made[name].exports;
};
const files = {
`;
for (const [name, file] of Object.entries(files)) text += `"${name}"(module, exports) {\n${readFileSync(join(packages, file), "utf8")}\n},\n`;
text += `};
const React = require("react");
export default React;
export const { ${hooks.join(", ")} } = React;
export const { createRoot } = require("react-dom/client");
`;
writeFileSync(output, text);
