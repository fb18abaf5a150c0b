// What is on its way, what became of it when the link went, and a button that cuts the link so that a person sees it.

/* global SenteLite */

const CUT_MS = 2500; // long enough to write a message meanwhile, and within what the sidecar waits
const $ = (id) => document.getElementById(id);

let socket = null;
let cut = false;

/** A WebSocket that can be cut: what is under way to this page is lost, and no code tells the sidecar that it is over. */
class Cuttable extends WebSocket {
  constructor(...args) {
    super(...args);
    socket = this;
  }
  cut() {
    const ended = this.onclose;
    this.onmessage = this.onclose = null;
    this.close();
    ended?.({code: 1006, reason: "cut by the button", wasClean: false});
  }
}

/** Options for connect. */
export const cuttable = {
  WebSocket: Cuttable,
  backoff: (n) => (cut ? CUT_MS : SenteLite.backoff(n)),
};

const plural = (n, word) => `${n} ${word}${n === 1 ? "" : "s"}`;

/** What a link that came back says of the one before. */
function outcome({recovered, missed, unsure, reason}) {
  if (recovered) return "resumed, nothing lost";
  const lost = [missed === null ? "what was sent meanwhile" : missed > 0 ? plural(missed, "event") : "",
    unsure > 0 ? `${plural(unsure, "event")} of ours unconfirmed` : ""].filter((t) => t);
  return lost.length > 0 ? `resumed without ${lost.join(", ")}: ${reason}` : `a new session: ${reason}`;
}

/** Shows it all for the client s, and goes on to. */
export function flow(s) {
  $("cut").addEventListener("click", () => {
    cut = true;
    socket.cut();
    cut = false;
  });
  const put = (id, text) => { if ($(id).textContent !== text) $(id).textContent = text; };
  const draw = () => {
    const {count, safeToClose, oldestMs} = s.pending;
    put("pending", `${count} pending${count > 0 ? `, the oldest for ${(oldestMs / 1000).toFixed(1)} s` : ""}`);
    $("safe").dataset.safe = safeToClose;
    put("safe", safeToClose ? "safe to close" : "not safe to close");
    const {open, recovery} = s.state;
    put("recovered", open && recovery ? outcome(recovery) : open ? "" : "the link is down: what is sent waits");
    $("cut").disabled = !open;
  };
  setInterval(draw, 100);
  draw();
}
