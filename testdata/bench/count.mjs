// The plain JavaScript client, counting: node count.mjs URL. It says in lines of
// JSON what came, and whether anything was lost or out of order.

import {createRequire} from "node:module";

const require = createRequire(new URL("../npm/package.json", import.meta.url));
const SenteLite = require("../../bridge/web/client/sente-lite.js");
const s = SenteLite.connect({
  url: process.argv[2], WebSocket: require("ws"),
  onState: ({status}) => { if (status === "closed" || status === "waiting") process.exit(0); },
});
let count = 0, next = 0, wrong = 0, began = 0;
s.on("bench/event", ({n}) => {
  if (count++ === 0) began = performance.now();
  if (n !== next) wrong++;
  next = n + 1;
});
s.on("bench/end", (total) => {
  const seconds = (performance.now() - began) / 1000;
  console.log(JSON.stringify({rate: Math.round(count / seconds), lost: total - count, wrong}));
  count = next = wrong = 0;
});
