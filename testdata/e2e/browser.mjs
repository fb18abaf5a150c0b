// Drives Chromium for the Go tests: JSON lines in, JSON lines out.
//
//   {"id": 1, "do": "open", "page": "a", "url": "http://…"}   → {"id": 1, "value": …} or {"id": 1, "error": "…"}
//
// Beside the answers come lines without an id, for what the pages say and ask
// for: {"page", "log": "error", "text"} and {"page", "request": url}. It ends
// with stdin, and takes the browser along.

import {createRequire} from "node:module";
import {createInterface} from "node:readline";

const {chromium} = createRequire(new URL("../npm/package.json", import.meta.url))("playwright-core");

const browser = await chromium.launch({
  executablePath: "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
});
const contexts = new Map();
const pages = new Map(); // name → {page, cdp}
const put = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

/** Evaluates as the page would, also where its content policy forbids eval. */
async function evaluate({cdp}, expression) {
  const {result, exceptionDetails: failed} = await cdp.send("Runtime.evaluate",
    {expression, awaitPromise: true, returnByValue: true});
  if (failed) throw new Error(failed.exception?.description || failed.text);
  return result.value ?? null;
}

const ops = {
  /** Opens a page. Those of one context share storage, as the tabs of one window do. */
  async open({page: name, url, context = name, width = 1280, height = 800, scheme = "light"}) {
    if (!contexts.has(context)) {
      contexts.set(context, await browser.newContext({viewport: {width, height}, colorScheme: scheme, reducedMotion: "reduce"}));
    }
    const page = await contexts.get(context).newPage();
    page.on("console", (m) => put({page: name, log: m.type(), text: m.text()}));
    page.on("pageerror", (e) => put({page: name, log: "error", text: String(e)}));
    page.on("request", (r) => put({page: name, request: r.url()}));
    page.on("websocket", (w) => put({page: name, request: w.url()}));
    const cdp = await page.context().newCDPSession(page);
    pages.set(name, {page, cdp});
    await page.goto(url, {waitUntil: "load"});
  },
  eval: ({page, js}) => evaluate(pages.get(page), js),
  /** Waits until an expression is true in the page, and returns its value. */
  async wait({page, js, ms}) {
    for (const end = Date.now() + ms; ;) {
      const value = await evaluate(pages.get(page), js);
      if (value) return value;
      if (Date.now() > end) throw new Error(`not true within ${ms} ms`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  },
  click: ({page, at, ms}) => pages.get(page).page.click(at, {timeout: ms}),
  /** Writes into a field and presses Enter. */
  async enter({page, at, text, ms}) {
    await pages.get(page).page.fill(at, text, {timeout: ms});
    await pages.get(page).page.press(at, "Enter", {timeout: ms});
  },
  size: ({page, width, height}) => pages.get(page).page.setViewportSize({width, height}),
  scheme: ({page, scheme}) => pages.get(page).page.emulateMedia({colorScheme: scheme}),
  shot: ({page, path}) => pages.get(page).page.screenshot({path}).then(() => null),
  reload: ({page}) => pages.get(page).page.reload({waitUntil: "load"}).then(() => null),
  /** Takes the network from a page's context, or gives it back. */
  offline: ({page, on}) => pages.get(page).page.context().setOffline(on),
  /**
   * Stops all of a page's code, as a browser does in the background, or lets it go on. By the debugger: what is there
   * for it, Page.setWebLifecycleState, does nothing to a page without a window.
   */
  async freeze({page, on}) {
    const {cdp} = pages.get(page);
    if (!on) return void await cdp.send("Debugger.disable");
    await cdp.send("Debugger.enable");
    const paused = new Promise((resolve) => cdp.once("Debugger.paused", resolve));
    await cdp.send("Debugger.pause");
    cdp.send("Runtime.evaluate", {expression: "0"}).catch(() => {}); // what it stops in; answered once it goes on
    await paused;
  },
  async close({page}) {
    const {page: p} = pages.get(page);
    pages.delete(page);
    await p.close();
  },
};

put({ready: true});
for await (const line of createInterface({input: process.stdin})) {
  const command = JSON.parse(line);
  ops[command.do](command).then(
    (value) => put({id: command.id, value: value ?? null}),
    (e) => put({id: command.id, error: e.message}));
}
await browser.close();
