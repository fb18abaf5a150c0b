// What browser.mjs does, without a browser: a "page" is a context of Node's with npm's ws, sente-lite.js as it is served,
// and nothing of a page's but its address. The same lines go in and come out.

import {createRequire} from "node:module";
import {createInterface} from "node:readline";
import {createContext, runInContext} from "node:vm";

const WebSocket = createRequire(new URL("../npm/package.json", import.meta.url))("ws");
const pages = new Map();
const put = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

const ops = {
  async open({page: name, url}) {
    const say = (log) => (...args) => put({page: name, log, text: args.map((a) => a?.stack || String(a)).join(" ")});
    const page = createContext({
      WebSocket, URL, TextEncoder, btoa, performance, setTimeout, clearTimeout, location: new URL(url),
      console: {log: say("log"), warn: say("warning"), error: say("error")},
    });
    runInContext(await (await fetch(new URL("/sente-lite.js", url))).text(), page);
    pages.set(name, page);
  },
  eval: ({page, js}) => runInContext(js, pages.get(page)),
  async wait({page, js, ms}) {
    for (const end = Date.now() + ms; ;) {
      const value = await runInContext(js, pages.get(page));
      if (value) return value;
      if (Date.now() > end) throw new Error(`not true within ${ms} ms`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  },
  async close({page}) {
    runInContext("globalThis.s?.close()", pages.get(page));
    pages.delete(page);
  },
};

process.on("unhandledRejection", (e) => put({page: "?", log: "error", text: String(e?.stack || e)}));
put({ready: true});
for await (const line of createInterface({input: process.stdin})) {
  const command = JSON.parse(line);
  Promise.resolve().then(() => ops[command.do](command)).then(
    (value) => put({id: command.id, value: value ?? null}),
    (e) => put({id: command.id, error: e.message}));
}
process.exit(0);
