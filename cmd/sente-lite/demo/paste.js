// The lines that make a message appear here from a terminal.

import {el, fill} from "./page.js";

/** Lines as [what they need, the line]: over the sidecar's Unix socket if it has one, else over its WebSocket. */
export function pasteLines({channel, ws, socket}) {
  const event = (from) => `[:demo/say {:channel "${channel}" :text "hello from ${from}"}]`;
  const overWebSocket = ["bb", `bb -e '(require (quote [babashka.http-client.websocket :as ws])) (let [w (ws/websocket {:uri "${ws}"})] @(ws/send! w (pr-str ${event("bb")})) @(ws/close! w))'`];
  if (!socket) return [overWebSocket];
  return [
    ["a shell with nc", `echo '${event("a shell")}' | nc -NU ${socket}`],
    overWebSocket,
    ["nbb", `npx nbb -e '(require (quote ["net" :as net])) (.end (net/connect "${socket}") (pr-str ${event("nbb")}))'`],
  ];
}

/** Puts the lines into a list, each with a button that copies it; said is told how that went. */
export function drawPaste(list, lines, said) {
  fill(list, lines.map(([label, line]) => {
    const button = el("button", {type: "button", ariaLabel: `Copy the line for ${label}`, onclick: () => copy(label, line, said)}, "Copy");
    button.dataset.key = label;
    return el("li", {}, el("span", {className: "for"}, label), button, el("code", {}, line));
  }));
}

async function copy(label, line, said) {
  try {
    await navigator.clipboard.writeText(line);
    said(`Copied the line for ${label}`);
  } catch {
    said("The browser does not let this page copy: select the line instead");
  }
}
